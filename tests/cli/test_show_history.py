"""show feature image-history."""

import json

from switch import cells, lines


def test_the_newest_first(switch):
    switch.image("snmp").event("snmp", 9).event("snmp", 10, event="cleaned", detail="removed 20201231.11")
    switch.event("bgp", 100)
    result = switch.show("image-history")
    assert result.exit_code == 0
    assert lines(result)[0].split() == ["Feature", "Number", "Time", "Event", "Version", "ImageId", "Count", "Detail"]
    assert cells(result) == [
        ["bgp", "100", "2026-11-22 11:59:00", "promoted", "20201231.84", "a" * 12, "1", "proven stable"],
        ["snmp", "10", "2026-11-22 11:59:00", "cleaned", "20201231.84", "a" * 12, "1", "removed 20201231.11"],
        ["snmp", "9", "2026-11-22 11:59:00", "promoted", "20201231.84", "a" * 12, "1", "proven stable"],
    ]


def test_one_feature(switch):
    switch.event("snmp", 1).event("bgp", 2)
    assert [line[:2] for line in cells(switch.show("image-history", "bgp"))] == [["bgp", "2"]]


def test_json(switch):
    switch.event("snmp", 1, detail="").event("snmp", 12)
    found = json.loads(switch.show("image-history", "snmp", "--json").stdout)
    assert [row["number"] for row in found] == [12, 1]
    assert found[1] == {
        "feature": "snmp", "namespace": "", "number": 1, "time": "2026-11-22 11:59:00", "event": "promoted",
        "version": "20201231.84", "image_id": "sha256:" + "a" * 64, "reason": "", "detail": "", "container_id": "",
        "exit_code": "", "count": "", "first_time": ""}


def test_what_happened_again_and_again(switch):
    failed = {"event": "failed", "reason": "exited", "exit_code": "1", "count": "3", "first_time": "2026-11-22 11:00:00"}
    switch.event("snmp", 7, **failed)
    assert cells(switch.show("image-history"))[0][6] == "3 since 2026-11-22 11:00:00"
    found = json.loads(switch.show("image-history", "--json").stdout)
    assert {name: found[0][name] for name in failed} == failed


def test_nothing_happened_yet(switch):
    switch.image("snmp")
    assert cells(switch.show("image-history", "snmp")) == []
    assert json.loads(switch.show("image-history", "--json").stdout) == []


def test_an_unknown_feature(switch):
    result = switch.event("snmp", 1).show("image-history", "snpm")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no feature snpm on this switch" in result.stderr


def test_each_asic_has_its_history(switch):
    switch.with_asics(2).event("bgp", 7, "asic1").event("bgp", 3, "asic0").event("snmp", 1)
    assert [line[:2] for line in cells(switch.show("image-history"))] == [["bgp0", "3"], ["bgp1", "7"], ["snmp", "1"]]
    assert [line[:2] for line in cells(switch.show("image-history", "bgp1"))] == [["bgp1", "7"]]
    assert [line[:2] for line in cells(switch.show("image-history", "-n", "asic0"))] == [["bgp0", "3"]]


def test_keys_that_are_no_history_and_hostile_values(switch):
    switch.event("snmp", "x").event("snmp", "9" * 30).state_row("CONTAINER_IMAGE_HISTORY|snmp", event="?")
    switch.event("snmp", 4, detail="a\x1b]0;b\x07")
    assert [(line[1], line[7]) for line in cells(switch.show("image-history"))] == [("4", "a\\x1b]0;b\\x07")]
