"""Every example in docs/cli.md, typed in the order in which it stands there, on one switch.

`UPDATE_DOCUMENTS=1` writes what is seen into the page instead of comparing it.
"""

import json
import os
import pathlib
import re
import shlex

from switch import errors

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "cli.md"
PROMPT = "  admin@sonic:~$ "

IMAGES = [
    {"image": "docker-sonic-telemetry", "features": ["telemetry"], "image_id": "sha256:52819becd929" + "0" * 52,
     "version": "20201231.84", "size": 402653184, "kept": True,
     "because": ["latest names it", "promoted version",
                 "used by container k8s_telemetry_telemetry-5xw2d_default_4b0f9d52-1c7e-4b0f-9d52-6a1f0e8b3c47_0"],
     "references": ["docker-sonic-telemetry:latest", "registry.example:5000/docker-sonic-telemetry:20201231.84",
                    "registry.example:5000/docker-sonic-telemetry@sha256:50c8d17e0c62" + "0" * 52]},
    {"image": "docker-sonic-telemetry", "features": ["telemetry"], "image_id": "sha256:b75f29d46ef4" + "0" * 52,
     "version": "20201231.64", "size": 398458880, "kept": True, "because": ["fallback version 20201231.64"],
     "references": ["registry.example:5000/docker-sonic-telemetry:20201231.64",
                    "registry.example:5000/docker-sonic-telemetry@sha256:342dbc71238f" + "0" * 52]},
]


def documented_switch(switch):
    """The switch that the page is about."""
    telemetry, snmp = "sha256:52819becd929" + "0" * 52, "sha256:43e150110305" + "0" * 52
    switch.image("telemetry", image_id=telemetry)
    switch.image("snmp", stability="observing", reason="not yet stable", version="20201231.91",
                 stable_after="598", update_time="2026-11-22 11:57:30")
    switch.image("bgp", stability="local", reason="set_owner is local", version="20201231.64",
                 stable_version="20201231.64", last_version="")
    switch.event("telemetry", 11, time="2026-11-22 09:14:32", image_id=telemetry,
                 detail="docker-sonic-telemetry:latest is this image")
    switch.event("telemetry", 12, time="2026-11-22 09:14:33", event="cleaned", version="20201231.11",
                 image_id="sha256:728dd44704a3" + "0" * 52, detail="remove 20201231.11")
    switch.event("snmp", 4, time="2026-11-22 10:02:11", event="failed", image_id=snmp,
                 detail="the container exited after 311 s", reason="exited", container_id="6d051d98400c", exit_code="1",
                 count="3", first_time="2026-11-22 09:50:40")
    switch.config_row("CONTAINER_IMAGE_FEATURE|telemetry", stable_time="1800", pin="20201231.84")
    return switch.config_row("CONTAINER_IMAGE|GLOBAL", keep_versions="3")


def typed(switch, command):
    """What one line on the page gives."""
    words = shlex.split(re.sub("^sudo ", "", command))
    if words[2] == "image-list":
        switch.with_imgmgrd(out=json.dumps(IMAGES))
    elif len(words) > 3 and words[3] in ("promote", "rollback"):
        answers = {"promote": "snmp: latest is 20201231.91\n", "rollback": "telemetry: latest is 20201231.64\n"}
        switch.with_imgmgrd(out=answers[words[3]])
    run = {"show": switch.show, "config": lambda *rest: switch.config(*rest, answer="y\n")}[words[0]]
    assert words[1] == "feature"
    result = run(*words[2:])
    return (result.stdout + errors(result)).splitlines()


def replayed(switch, text):
    """The page with the output of every example as it is."""
    lines, is_output = [], False
    for line in text.splitlines():
        if line.startswith(PROMPT):
            lines.append(line)
            lines += [f"  {shown}".rstrip() for shown in typed(switch, line[len(PROMPT):])]
            is_output = True
        elif line.strip() == "```" or not is_output:
            lines.append(line)
            is_output = False
    return "\n".join(lines) + "\n"


def test_every_example(switch):
    before = PAGE.read_text(encoding="utf-8")
    after = replayed(documented_switch(switch), before)
    if os.environ.get("UPDATE_DOCUMENTS"):
        PAGE.write_text(after, encoding="utf-8")
    else:
        assert after == before


def test_every_command_is_on_the_page():
    import config.main
    import show.main

    usages = re.findall(r"^  ((?:show|config) feature image\S*(?: [a-z-]+)?)", PAGE.read_text(encoding="utf-8"), re.M)
    shown = [f"show feature {name}" for name in show.main.feature.commands if name.startswith("image")]
    configured = [f"config feature image {name}" for name in config.main.feature.commands["image"].commands]
    assert sorted(set(usages)) == sorted(shown + configured)
