"""show feature image."""

import json

import pytest

from switch import cells, lines


def test_a_table_in_natural_order(switch):
    switch.image("snmp").image("feature10").image("feature9", stability="local", reason="set_owner is local")
    result = switch.show("image")
    assert result.exit_code == 0
    assert lines(result) == [
        "Feature    Stability    Version      StableVersion    LastVersion    TimeLeft    Reason",
        "---------  -----------  -----------  ---------------  -------------  ----------  ------------------",
        "feature9   local        20201231.84  20201231.84      20201231.64                set_owner is local",
        "feature10  stable       20201231.84  20201231.84      20201231.64                promoted",
        "snmp       stable       20201231.84  20201231.84      20201231.64                promoted",
    ]


def test_one_feature_and_no_other_that_begins_like_it(switch):
    switch.image("snmp").image("snmp-agent").image("telemetry")
    assert [line[0] for line in cells(switch.show("image", "snmp"))] == ["snmp"]


def test_versions_are_text(switch):
    switch.image("snmp", version="20201231.10", stable_version="1e5", last_version="007")
    assert cells(switch.show("image"))[0][2:5] == ["20201231.10", "1e5", "007"]


@pytest.mark.parametrize(
    "stability, stable_after, update_time, left",
    [
        ("observing", "600", "2026-11-22 11:59:00", 540),
        ("observing", "600", "2026-11-22 12:00:00", 600),
        ("observing", "600", "2026-11-22 10:00:00", 0),
        ("observing", "600", "2026-11-22 13:00:00", 600),
        ("observing", "600", "no time", 600),
        ("observing", "", "2026-11-22 11:59:00", None),
        ("observing", "-5", "2026-11-22 11:59:00", None),
        ("observing", "9" * 5000, "2026-11-22 11:59:00", None),
        ("stable", "600", "2026-11-22 11:59:00", None),
    ],
)
def test_time_left_is_computed(switch, stability, stable_after, update_time, left):
    switch.image("snmp", stability=stability, stable_after=stable_after, update_time=update_time)
    assert json.loads(switch.show("image", "--json").stdout)[0]["time_left"] == left
    assert cells(switch.show("image"))[0][5] == ("" if left is None else f"{left} s")


def test_json(switch):
    switch.image("snmp", stability="held", reason="state is disabled")
    assert json.loads(switch.show("image", "snmp", "--json").stdout) == [
        {
            "feature": "snmp",
            "namespace": "",
            "stability": "held",
            "version": "20201231.84",
            "stable_version": "20201231.84",
            "last_version": "20201231.64",
            "time_left": None,
            "reason": "state is disabled",
        }
    ]


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_nothing_is_published(switch, as_json):
    result = switch.show("image", *as_json)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no image state in STATE_DB" in result.stderr and "systemctl status imgmgrd" in result.stderr


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_feature_of_which_nothing_is_published(switch, as_json):
    result = switch.image("snmp").show("image", "telemetry", *as_json)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no image state of telemetry in STATE_DB" in result.stderr


def test_an_unknown_feature(switch):
    result = switch.image("snmp").show("image", "snpm")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no feature snpm on this switch; there are: bgp, snmp, telemetry" in result.stderr


@pytest.mark.parametrize("name", ["", "*", "a b", "-x;reboot", "../x", "snmp\n", "\x1b[2J", "x" * 65, "é"])
def test_a_name_that_is_none(switch, name):
    for command in ("image", "image-list", "image-history", "image-policy"):
        switch.with_imgmgrd(out="[]")
        result = switch.image("snmp").show(command, "--", name)
        assert (result.exit_code, result.stdout) == (2, ""), command
        assert "is not a valid name" in result.stderr and "\x1b" not in result.stderr
        assert switch.calls() == []


def test_hostile_values_are_escaped(switch):
    switch.image("snmp", reason="a\x1b[2Jb\nc\u202ed\u0007", version="\r20")
    result = switch.show("image")
    assert len(lines(result)) == 3
    assert cells(result)[0][6] == "a\\x1b[2Jb\\nc\\u202ed\\x07"
    assert cells(result)[0][2] == "\\r20"
    as_json = switch.show("image", "--json").stdout
    assert "\x1b" not in as_json and "\u202e" not in as_json
    assert json.loads(as_json)[0]["version"] == "\r20"


def test_what_is_not_utf8_and_what_is_long(switch):
    switch.image("snmp", reason=b"\xff\xfe", version="x" * 100000)
    line = cells(switch.show("image"))[0]
    assert line[6] == "\\udcff\\udcfe"
    assert line[2] == "x" * 1000 + "..."
    assert json.loads(switch.show("image", "--json").stdout)[0]["reason"] == "\udcff\udcfe"


def test_a_row_without_fields(switch):
    switch.state_row("CONTAINER_IMAGE|snmp", NULL="NULL")
    assert cells(switch.show("image")) == [["snmp", "", "", "", "", "", ""]]


def test_each_asic_has_its_instance(switch):
    switch.with_asics(11).image("snmp")
    for number in (10, 2):
        switch.image("bgp", f"asic{number}", stability="held", reason=f"waits {number}")
    assert [(line[0], line[1]) for line in cells(switch.show("image"))] == [
        ("bgp2", "held"), ("bgp10", "held"), ("snmp", "stable")]
    assert [line[0] for line in cells(switch.show("image", "bgp"))] == ["bgp2", "bgp10"]
    assert [line[0] for line in cells(switch.show("image", "bgp10"))] == ["bgp10"]
    found = json.loads(switch.show("image", "bgp2", "--json").stdout)
    assert [(row["feature"], row["namespace"]) for row in found] == [("bgp2", "asic2")]


def test_one_namespace(switch):
    switch.with_asics(2).image("snmp").image("bgp", "asic0").image("bgp", "asic1")
    assert [line[0] for line in cells(switch.show("image", "-n", "asic1"))] == ["bgp1"]
    assert [line[0] for line in cells(switch.show("image", "--namespace", "localhost"))] == ["snmp"]


def test_a_known_instance_of_which_nothing_is_published(switch):
    switch.with_asics(2).image("snmp")
    assert "no image state of bgp1 in STATE_DB" in switch.show("image", "bgp1").stderr
    assert "no feature bgp2 on this switch" in switch.show("image", "bgp2").stderr


def test_a_namespace_that_is_not_there(switch):
    result = switch.with_asics(2).image("snmp").show("image", "-n", "asic2")
    assert (result.exit_code, result.stdout) == (2, "")
    assert 'namespace "asic2" is not on this switch; there are: localhost, asic0, asic1' in result.stderr
