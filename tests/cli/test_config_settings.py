"""config feature image state, stable-time, keep-versions, cleanup, pin and default."""

import sys

import pytest

from swsscommon import swsscommon

GOOD = [
    ("state", "disabled", "disabled"), ("state", "Enabled", "enabled"), ("cleanup", "disabled", "disabled"),
    ("stable-time", "0", "0"), ("stable-time", "86400", "86400"), ("stable-time", "0060", "60"),
    ("keep-versions", "2", "2"), ("keep-versions", "10", "10"),
    ("pin", "20201231.84", "20201231.84"), ("pin", "20240510.RC1_-", "20240510.RC1_-"), ("pin", "x" * 128, "x" * 128),
]

BAD = [
    ("state", "on", "enabled or disabled"), ("state", "", "enabled or disabled"),
    ("cleanup", "\x1b[2J", "enabled or disabled"),
    ("stable-time", "86401", "0..86400"), ("stable-time", "-1", "0..86400"), ("stable-time", "1.5", "0..86400"),
    ("stable-time", "１０", "0..86400"), ("stable-time", "", "0..86400"), ("stable-time", "9" * 5000, "0..86400"),
    ("stable-time", "0x10", "0..86400"), ("stable-time", "+5", "0..86400"), ("stable-time", "1_0", "0..86400"),
    ("keep-versions", "1", "2..10"), ("keep-versions", "11", "2..10"), ("keep-versions", "two", "2..10"),
    ("pin", "latest", "a Docker tag other than latest"), ("pin", ".84", "a Docker tag"), ("pin", "-84", "a Docker tag"),
    ("pin", "a b", "a Docker tag"), ("pin", "", "a Docker tag"), ("pin", "x" * 129, "a Docker tag"),
    ("pin", "84\n", "a Docker tag"), ("pin", "a:b", "a Docker tag"),
]


@pytest.fixture(params=["plain", "validated", "judged", "no connector"])
def any_switch(request, switch, monkeypatch):
    """Releases and switches differ in who judges what is written."""
    if request.param == "judged":
        switch.with_yang()
    if request.param == "no connector":
        monkeypatch.setitem(sys.modules, "config.validated_config_db_connector", None)
    return switch


@pytest.mark.parametrize("command, value, written", GOOD)
def test_set_for_a_feature(any_switch, command, value, written):
    result = any_switch.config("image", command, "snmp", value)
    field = command.replace("-", "_")
    assert (result.exit_code, result.stdout) == (0, f"snmp: {field} is {written} now (was not set)\n")
    assert any_switch.row("CONTAINER_IMAGE_FEATURE|snmp") == {field: written}


@pytest.mark.parametrize("command, value, written", [case for case in GOOD if case[0] != "pin"])
def test_set_for_all(any_switch, command, value, written):
    for words in (("--global", value), (value, "--global")):
        any_switch.database("CONFIG_DB").delete("CONTAINER_IMAGE|GLOBAL")
        result = any_switch.config("image", command, *words)
        field = command.replace("-", "_")
        assert (result.exit_code, result.stdout) == (0, f"all features: {field} is {written} now (was not set)\n")
        assert any_switch.row("CONTAINER_IMAGE|GLOBAL") == {field: written}


def test_the_other_fields_stay(any_switch):
    any_switch.config("image", "stable-time", "snmp", "60")
    any_switch.config("image", "pin", "snmp", "7")
    result = any_switch.config("image", "stable-time", "snmp", "90")
    assert result.stdout == "snmp: stable_time is 90 now (was 60)\n"
    assert any_switch.row("CONTAINER_IMAGE_FEATURE|snmp") == {"stable_time": "90", "pin": "7"}


def test_what_is_so_already_is_not_written(switch, monkeypatch):
    switch.config("image", "stable-time", "snmp", "60")
    monkeypatch.setattr(swsscommon.ConfigDBConnector, "mod_entry", lambda *_: pytest.fail("nothing is to be written"))
    result = switch.config("image", "stable-time", "snmp", "60")
    assert (result.exit_code, result.stdout) == (0, "snmp: stable_time is 60 already\n")


@pytest.mark.parametrize(
    "place, command, value, allowed",
    [(place, *case) for place in ("snmp", "--global") for case in BAD if (place, case[0]) != ("--global", "pin")],
)
def test_a_bad_value_changes_nothing(switch, place, command, value, allowed):
    before = switch.content()
    result = switch.config("image", command, place, value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f'{command.replace("-", "_")} "' in result.stderr
    assert f"is not valid: it must be {allowed}" in result.stderr
    assert "\x1b" not in result.stderr
    assert switch.content() == before


@pytest.mark.parametrize(
    "words",
    [("stable-time",), ("stable-time", "60"), ("stable-time", "snmp"), ("stable-time", "snmp", "60", "7"),
     ("stable-time", "--global"), ("stable-time", "--global", "snmp", "60"), ("pin", "--global", "7"),
     ("pin", "snmp"), ("default",), ("default", "snmp", "pin", "state"), ("default", "--global", "state", "pin"),
     ("default", "snmp", "owner"), ("default", "snmp", "stable_time"), ("default", "--global", "pin"),
     ("default", "snmp", "\x1b"), ("stable-time", "--globl", "60"), ("default", "--globl")],
)
def test_wrong_usage_changes_nothing(switch, words):
    switch.config_row("CONTAINER_IMAGE_FEATURE|snmp", stable_time="60", pin="7")
    switch.config_row("CONTAINER_IMAGE|GLOBAL", state="disabled")
    before = switch.content()
    result = switch.config("image", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr and "\x1b" not in result.stderr
    assert switch.content() == before


@pytest.mark.parametrize("words", [("stable-time", "snpm", "60"), ("pin", "snpm", "7"), ("default", "snpm"),
                                   ("promote", "-y", "snpm"), ("rollback", "snpm", "-y")])
def test_an_unknown_feature_changes_nothing(switch, words):
    before = switch.with_imgmgrd().content()
    result = switch.config("image", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no feature snpm on this switch; there are: bgp, snmp, telemetry" in result.stderr
    assert (switch.content(), switch.calls()) == (before, [])


@pytest.mark.parametrize("name", ["", "a b", "*", "snmp|x", "../x", "$(reboot)", "\x1b[2J", "snmp\n", "x" * 65])
def test_a_name_that_is_none_changes_nothing(switch, name):
    before = switch.with_imgmgrd().content()
    for words in (("stable-time", name, "60"), ("default", name), ("promote", "-y", name), ("rollback", "-y", name)):
        result = switch.config("image", *words)
        assert (result.exit_code, result.stdout) == (2, ""), words
        assert "is not a valid name" in result.stderr and "\x1b" not in result.stderr
    assert (switch.content(), switch.calls()) == (before, [])


def test_names_of_features_are_escaped_in_errors(switch):
    switch.with_features("a\x1b[2J")
    assert "there are: a\\x1b[2J, bgp" in switch.config("image", "stable-time", "x", "60").stderr


def test_a_feature_of_a_namespace_only_is_none_of_the_hosts(switch):
    switch.with_asics(1).config_row("FEATURE|lldp", "asic0", state="enabled")
    assert "no feature lldp on this switch" in switch.config("image", "state", "lldp", "enabled").stderr


def test_only_the_host_is_written(switch):
    switch.with_asics(2)
    switch.config("image", "state", "bgp", "disabled")
    assert [key for name in ("asic0", "asic1") for key in switch.database("CONFIG_DB", name).keys()] == []
    assert switch.row("CONTAINER_IMAGE_FEATURE|bgp") == {"state": "disabled"}


# The way back


def test_one_setting_of_a_feature(any_switch):
    any_switch.config_row("CONTAINER_IMAGE|GLOBAL", stable_time="120")
    any_switch.config_row("CONTAINER_IMAGE_FEATURE|snmp", stable_time="60", pin="7")
    result = any_switch.config("image", "default", "snmp", "stable-time")
    assert (result.exit_code, result.stdout) == (0, "snmp: stable_time 60 is removed; 120 holds now (global)\n")
    assert any_switch.row("CONTAINER_IMAGE_FEATURE|snmp") == {"pin": "7"}
    assert any_switch.row("CONTAINER_IMAGE|GLOBAL") == {"stable_time": "120"}


def test_the_last_setting_removes_the_row(any_switch):
    any_switch.config_row("CONTAINER_IMAGE_FEATURE|snmp", pin="7")
    result = any_switch.config("image", "default", "snmp", "pin")
    assert (result.exit_code, result.stdout) == (0, "snmp: pin 7 is removed\n")
    assert not any_switch.database("CONFIG_DB").exists("CONTAINER_IMAGE_FEATURE|snmp")


def test_all_settings_of_a_feature_and_what_is_none(any_switch):
    any_switch.config_row("CONTAINER_IMAGE_FEATURE|snmp", stable_time="60", keep_versions="3", typo="\x1b")
    any_switch.config_row("CONTAINER_IMAGE_FEATURE|bgp", stable_time="60")
    result = any_switch.config("image", "default", "snmp")
    assert result.exit_code == 0
    assert sorted(result.stdout.splitlines()) == [
        "snmp: keep_versions 3 is removed; 2 holds now (default)",
        "snmp: stable_time 60 is removed; 600 holds now (default)",
        "snmp: typo \\x1b is removed",
    ]
    assert not any_switch.database("CONFIG_DB").exists("CONTAINER_IMAGE_FEATURE|snmp")
    assert any_switch.row("CONTAINER_IMAGE_FEATURE|bgp") == {"stable_time": "60"}


def test_settings_of_all_features(any_switch):
    any_switch.config_row("CONTAINER_IMAGE|GLOBAL", stable_time="60", cleanup="disabled")
    result = any_switch.with_ctrmgrd_waiting(300).config("image", "default", "--global", "stable-time")
    told = "all features: stable_time 60 is removed; 300 holds now (default)\n"
    assert (result.exit_code, result.stdout) == (0, told)
    assert any_switch.row("CONTAINER_IMAGE|GLOBAL") == {"cleanup": "disabled"}
    assert any_switch.config("image", "default", "--global").exit_code == 0
    assert not any_switch.database("CONFIG_DB").exists("CONTAINER_IMAGE|GLOBAL")


def test_the_row_of_a_feature_that_is_no_more(any_switch):
    any_switch.config_row("CONTAINER_IMAGE_FEATURE|gone", pin="7")
    assert any_switch.config("image", "default", "gone").exit_code == 0
    assert not any_switch.database("CONFIG_DB").exists("CONTAINER_IMAGE_FEATURE|gone")


def test_nothing_to_take_back(any_switch):
    before = any_switch.content()
    for words, told in ((("snmp",), "snmp: nothing is set"), (("snmp", "pin"), "snmp: pin is not set"),
                        (("--global",), "all features: nothing is set")):
        result = any_switch.config("image", "default", *words)
        assert (result.exit_code, result.stdout) == (0, told + "\n")
    assert any_switch.content() == before


# Who judges


def test_what_yang_refuses(switch):
    switch.with_yang().config_row("STANDIN|refuse", yes="1").config_row("CONTAINER_IMAGE_FEATURE|bgp", pin="7")
    switch.config_row("CONTAINER_IMAGE_FEATURE|snmp", pin="7")
    before = switch.content()
    for words in (("stable-time", "snmp", "60"), ("keep-versions", "--global", "3"), ("default", "bgp", "pin")):
        result = switch.config("image", *words)
        assert (result.exit_code, result.stdout) == (1, ""), words
        assert "was not changed: Data Loading Failed: all is refused" in result.stderr
    assert switch.content() == before


def test_yang_judges_when_it_is_switched_on_only(switch):
    switch.config_row("STANDIN|refuse", yes="1")
    assert switch.config("image", "stable-time", "snmp", "60").exit_code == 0


def test_a_refusal_that_is_only_logged(switch):
    switch.with_yang().config_row("CONTAINER_IMAGE_FEATURE|bgp", pin="7").config_row("STANDIN|refuse", yes="1")
    before = switch.content()
    result = switch.config("image", "default", "bgp")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "CONFIG_DB CONTAINER_IMAGE_FEATURE|bgp was not changed: the write was refused" in result.stderr
    assert switch.content() == before


def test_what_a_refusal_says_is_escaped(switch, monkeypatch):
    def refuse(*_):
        raise ValueError("first line\nnot \x1b[2J valid")

    monkeypatch.setattr(swsscommon.ConfigDBConnector, "mod_entry", refuse)
    result = switch.config("image", "pin", "bgp", "7")
    assert result.stderr.endswith("was not changed: first line\nnot \\x1b[2J valid\n")


def test_a_write_that_is_lost(switch, monkeypatch):
    monkeypatch.setattr(swsscommon.ConfigDBConnector, "mod_entry", lambda *_: None)
    result = switch.config("image", "pin", "bgp", "7")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "was not changed" in result.stderr
