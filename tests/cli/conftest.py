"""A switch for the tests: a real redis-server, the plugins installed beside stand-ins, and an imgmgrd that records."""

import atexit
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

HERE = pathlib.Path(__file__).parent
PLUGINS = HERE.parents[1] / "cli"


def install(folder, *sources):
    """Copies packages into one folder, as an installation does."""
    for source in sources:
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


INSTALLED = tempfile.mkdtemp(prefix="imgmgrd-cli-")
atexit.register(shutil.rmtree, INSTALLED, ignore_errors=True)
sys.path[:0] = [install(INSTALLED, HERE / "standins", PLUGINS), str(HERE)]

from switch import Switch  # noqa: E402  it needs what was just installed


@pytest.fixture(scope="session")
def redis_socket():
    """A private redis-server that listens on a unix socket only."""
    with tempfile.TemporaryDirectory(prefix="imgmgrd-redis-") as folder:
        socket = pathlib.Path(folder, "redis.sock")
        command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--databases", "256"]
        server = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 20
            while not socket.exists():
                assert server.poll() is None and time.monotonic() < deadline, "redis-server does not start"
                time.sleep(0.02)
            yield str(socket)
        finally:
            server.terminate()
            server.wait(timeout=20)


@pytest.fixture
def switch(redis_socket, monkeypatch, tmp_path):
    """A switch with three features and one ASIC; nothing is published or configured yet."""
    return Switch(redis_socket, monkeypatch, tmp_path).with_features("telemetry", "snmp", "bgp")
