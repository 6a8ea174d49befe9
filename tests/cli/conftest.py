"""A switch for the tests: a real redis-server, the plugins installed beside stand-ins, and an imgmgrd that records."""

import pathlib
import subprocess
import tempfile
import time

import pytest

import installed  # noqa: F401  it makes what follows importable

from switch import Switch


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
