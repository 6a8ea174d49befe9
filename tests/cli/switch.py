"""A switch as the commands see it."""

import json
import os
from datetime import datetime, timezone

import redis
from click.testing import CliRunner

import config.main
import show.main
from show.plugins import container_image as show_plugin
from swsscommon import swsscommon
from utilities_common import container_image as common

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc)

IMGMGRD = """#!/bin/sh
{ for word in "$@"; do printf '[%s]' "$word"; done; echo; } >>"$0.calls"
cat "$0.out" 2>/dev/null
cat "$0.err" >&2 2>/dev/null
exit "$(cat "$0.code" 2>/dev/null || echo 0)"
"""


class Switch:
    """Builds rows, runs commands, and tells whether anything changed."""

    def __init__(self, socket, monkeypatch, folder):
        self.monkeypatch = monkeypatch
        self.folder = folder
        self.socket = socket
        monkeypatch.setattr(swsscommon, "SOCKET", socket)
        monkeypatch.setattr(swsscommon, "NAMESPACES", [""])
        monkeypatch.setattr(show_plugin, "utc_now", lambda: NOW)
        monkeypatch.setattr(common, "REMOTE_CTR_CONFIG", str(folder / "remote_ctr.config.json"))
        # Nothing of this machine's is found, least of all an imgmgrd.
        self.bin = folder / "bin"
        self.bin.mkdir()
        monkeypatch.setenv("PATH", f"{self.bin}:/usr/bin:/bin")
        redis.Redis(unix_socket_path=socket).flushall()

    # What there is

    def database(self, name, namespace=""):
        return swsscommon.connect(name, namespace)

    def config_row(self, key, namespace="", **fields):
        self.database("CONFIG_DB", namespace).hset(key, mapping=fields)
        return self

    def state_row(self, key, namespace="", **fields):
        self.database("STATE_DB", namespace).hset(key, mapping=fields)
        return self

    def with_features(self, *names):
        for name in names:
            self.config_row(f"FEATURE|{name}", state="enabled", set_owner="kube")
        return self

    def with_asics(self, count):
        names = ["", *(f"asic{number}" for number in range(count))]
        self.monkeypatch.setattr(swsscommon, "NAMESPACES", names)
        return self

    def with_yang(self):
        return self.config_row("DEVICE_METADATA|localhost", yang_config_validation="enable")

    def with_ctrmgrd_waiting(self, seconds):
        path = self.folder / "remote_ctr.config.json"
        content = {"tag_latest_image_on_wait_seconds": seconds}
        path.write_text(seconds if isinstance(seconds, str) else json.dumps(content))
        return self

    def with_imgmgrd(self, out="", err="", code=0):
        binary = self.bin / "imgmgrd"
        for ending, content in (("", IMGMGRD), (".out", out), (".err", err), (".code", str(code))):
            (self.bin / f"imgmgrd{ending}").write_text(content)
        binary.chmod(0o755)
        return self

    def image(self, feature, namespace="", **fields):
        """What the agent publishes of a feature."""
        row = {"image": f"docker-{feature}", "stability": "stable", "reason": "promoted", "version": "20201231.84",
               "container_id": "6d051d98400c", "image_id": "sha256:" + "a" * 64, "stable_version": "20201231.84",
               "last_version": "20201231.64", "stable_after": "", "update_time": "2026-11-22 11:59:00"}
        return self.state_row(f"CONTAINER_IMAGE|{feature}", namespace, **{**row, **fields})

    def event(self, feature, number, namespace="", **fields):
        """What the agent tells of a feature's past."""
        row = {"time": "2026-11-22 11:59:00", "event": "promoted", "version": "20201231.84",
               "image_id": "sha256:" + "a" * 64, "detail": "proven stable"}
        return self.state_row(f"CONTAINER_IMAGE_HISTORY|{feature}|{number}", namespace, **{**row, **fields})

    # What is done

    def show(self, *words):
        return self._run(show.main.cli, words, None)

    def config(self, *words, answer=None):
        return self._run(config.main.config, words, answer)

    @staticmethod
    def _run(command, words, answer):
        try:
            runner = CliRunner(mix_stderr=False)
        except TypeError:
            # Click 8.2 and newer always keep them apart.
            runner = CliRunner()
        result = runner.invoke(command, ["feature", *words], input=answer)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    # What came of it

    def row(self, key):
        return self.database("CONFIG_DB").hgetall(key)

    def content(self):
        """Everything in every database, to compare."""
        server = redis.Redis(unix_socket_path=self.socket)
        content = {}
        for name in server.info("keyspace"):
            database = redis.Redis(unix_socket_path=self.socket, db=int(name[2:]))
            content[name] = {key: database.hgetall(key) for key in database.keys()}
        return content

    def calls(self):
        """What imgmgrd was called with."""
        path = self.bin / "imgmgrd.calls"
        return path.read_text().splitlines() if os.path.exists(path) else []


def errors(result):
    """What was written to stderr; where that is nothing, click 7 says that it was not captured."""
    return result.stderr if result.stderr_bytes else ""


def lines(result):
    """The lines of a table, without the blanks at their ends."""
    return [line.rstrip() for line in result.stdout.splitlines()]


def cells(result):
    """The cells of a table below its header. Columns are two blanks apart."""
    _, rule, *body = result.stdout.rstrip("\n").split("\n")
    starts = [0]
    for part in rule.split("  "):
        starts.append(starts[-1] + len(part) + 2)
    return [[line[begin:end].strip() for begin, end in zip(starts, starts[1:])] for line in body]
