"""dump state container_image."""

import pytest

from dump.plugins import dump_modules

MODULE = dump_modules["container_image"]


@pytest.fixture
def rows(switch):
    switch.with_asics(1).image("snmp").event("snmp", 3).event("snmp", 4).image("snmp-agent").event("snmp-agent", 1)
    switch.image("bgp", "asic0").event("bgp", 9, "asic0")
    # The policy is the host's; a row in a namespace is nobody's.
    switch.config_row("CONTAINER_IMAGE_FEATURE|stray", "asic0", pin="7")
    switch.config_row("CONTAINER_IMAGE|GLOBAL", state="enabled").config_row("CONTAINER_IMAGE_FEATURE|snmp", pin="7")
    return switch.config_row("CONTAINER_IMAGE_FEATURE|gone", pin="7")


def dump(feature, namespace=""):
    found = MODULE().execute({MODULE.ARG_NAME: feature, "namespace": namespace})
    return {db: (sorted(part["keys"]), part["tables_not_found"]) for db, part in found.items()}


def test_the_features(rows):
    assert MODULE().get_all_args("") == ["gone", "snmp", "snmp-agent"]
    assert MODULE().get_all_args("asic0") == ["bgp"]


def test_the_rows_of_a_feature(rows):
    before = rows.content()
    assert dump("snmp") == {
        "CONFIG_DB": (["CONTAINER_IMAGE_FEATURE|snmp", "CONTAINER_IMAGE|GLOBAL"], []),
        "STATE_DB": (["CONTAINER_IMAGE_HISTORY|snmp|3", "CONTAINER_IMAGE_HISTORY|snmp|4", "CONTAINER_IMAGE|snmp"], []),
    }
    assert rows.content() == before


def test_the_rows_of_an_asic(rows):
    assert dump("bgp", "asic0") == {
        "CONFIG_DB": ([], []), "STATE_DB": (["CONTAINER_IMAGE_HISTORY|bgp|9", "CONTAINER_IMAGE|bgp"], [])}


@pytest.mark.parametrize("feature", ["telemetry", "*", "[a-z]*", "", "snm?"])
def test_what_is_not_there_and_what_is_no_name(rows, feature):
    found = dump(feature)
    assert found["STATE_DB"] == ([], ["CONTAINER_IMAGE"])
    assert found["CONFIG_DB"][0] in ([], ["CONTAINER_IMAGE|GLOBAL"])


def test_one_after_the_other(rows):
    module = MODULE()
    for feature in ("snmp", "snmp-agent"):
        found = module.execute({MODULE.ARG_NAME: feature, "namespace": ""})
        assert f"CONTAINER_IMAGE|{feature}" in found["STATE_DB"]["keys"]
    assert len(found["STATE_DB"]["keys"]) == 2
