"""show feature image-policy."""

import json

import pytest

from switch import cells, errors, lines


def policy(switch, feature):
    """The policy as field: (value, source)."""
    found = json.loads(switch.show("image-policy", feature, "--json").stdout)[feature]
    return {field: (setting["value"], setting["source"]) for field, setting in found.items()}


def test_defaults(switch):
    assert lines(switch.show("image-policy")) == [
        "Feature    State              StableTime     KeepVersions    Cleanup            Pin",
        "---------  -----------------  -------------  --------------  -----------------  -----",
        "bgp        enabled (default)  600 (default)  2 (default)     enabled (default)",
        "snmp       enabled (default)  600 (default)  2 (default)     enabled (default)",
        "telemetry  enabled (default)  600 (default)  2 (default)     enabled (default)",
    ]


def test_the_nearest_value_wins(switch):
    switch.config_row("CONTAINER_IMAGE|GLOBAL", state="disabled", stable_time="60", keep_versions="5", pin="7")
    switch.config_row("CONTAINER_IMAGE_FEATURE|snmp", stable_time="0", cleanup="Disabled", pin="20201231.84")
    assert policy(switch, "snmp") == {
        "state": ("disabled", "global"),
        "stable_time": ("0", "feature"),
        "keep_versions": ("5", "global"),
        "cleanup": ("disabled", "feature"),
        "pin": ("20201231.84", "feature"),
    }
    assert policy(switch, "bgp")["stable_time"] == ("60", "global")
    assert policy(switch, "bgp")["pin"] == ("", "default")
    assert cells(switch.show("image-policy", "snmp")) == [
        ["snmp", "disabled (global)", "0 (feature)", "5 (global)", "disabled (feature)", "20201231.84 (feature)"]]


@pytest.mark.parametrize(
    "seconds, holds",
    [(300, "300"), ("300", "300"), ('{"tag_latest_image_on_wait_seconds": "300"}', "300"), (0.5, "1"), (0, "0"),
     (86400, "86400"), (86401, "600"), (1e300, "600"), (-1, "600"), (True, "600"), (None, "600"), ([1], "600"),
     ('{"tag_latest_image_on_wait_seconds": "ten"}', "600"), ('{"tag_latest_image_on_wait_seconds": NaN}', "600"),
     ('{"tag_latest_image_on_wait_seconds": "1.2.3"}', "600"), ("[]", "600"), ("{", "600"), ("{}", "600"),
     ("[" * 100000, "600")],
)
def test_the_default_of_stable_time_is_that_of_ctrmgrd(switch, seconds, holds):
    if seconds == "300":
        seconds = '{"tag_latest_image_on_wait_seconds": " 300 "}'
    switch.with_ctrmgrd_waiting(seconds)
    assert policy(switch, "snmp")["stable_time"] == (holds, "default")
    told = "The default of StableTime is from /etc/sonic/remote_ctr.config.json."
    assert (told in switch.show("image-policy").stdout) == (holds != "600")


@pytest.mark.parametrize(
    "field, value",
    [("state", "on"), ("stable_time", "86401"), ("stable_time", "-1"), ("stable_time", "１０"), ("stable_time", "1 "),
     ("stable_time", "9" * 5000), ("keep_versions", "1"), ("keep_versions", "11"), ("cleanup", "\x1b[2J"),
     ("pin", "latest"), ("pin", "a b"), ("pin", ".a"), ("pin", "x" * 129)],
)
def test_a_bad_value_is_told_and_the_next_place_holds(switch, field, value):
    switch.config_row("CONTAINER_IMAGE_FEATURE|snmp", **{field: value})
    result = switch.show("image-policy", "snmp", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["snmp"][field]["source"] == "default"
    assert f"Warning: CONFIG_DB CONTAINER_IMAGE_FEATURE|snmp: {field} \"" in result.stderr
    assert "it must be" in result.stderr and "\x1b" not in result.stderr


def test_a_bad_global_value_is_told_once(switch):
    result = switch.config_row("CONTAINER_IMAGE|GLOBAL", keep_versions="99").show("image-policy")
    assert result.stderr.count("Warning") == 1


def test_cleared_fields_and_empty_rows(switch):
    switch.config_row("CONTAINER_IMAGE_FEATURE|snmp", stable_time="", state="")
    switch.config_row("CONTAINER_IMAGE|GLOBAL", NULL="NULL")
    result = switch.show("image-policy", "snmp")
    assert (cells(result)[0][1], errors(result)) == ("enabled (default)", "")


def test_an_unknown_feature(switch):
    result = switch.show("image-policy", "snpm", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no feature snpm on this switch; there are: bgp, snmp, telemetry" in result.stderr
