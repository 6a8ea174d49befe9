"""show feature image-list."""

import json

import pytest

from switch import cells, lines

IMAGES = [
    {"image": "docker-snmp", "features": ["snmp"], "image_id": "sha256:" + "b" * 64, "version": "20201231.104",
     "references": ["docker-snmp:latest", "registry:5000/docker-snmp:20201231.104"], "size": 396123456, "kept": True,
     "because": ["it is latest", "it is promoted"]},
    {"image": "docker-snmp", "features": ["snmp"], "image_id": "sha256:" + "c" * 64, "version": "20201231.84",
     "references": ["registry:5000/docker-snmp@sha256:" + "e" * 64], "size": 999, "kept": False, "because": ["it is old"]},
    {"image": "docker-fpm-frr", "features": ["bgp0", "bgp1"], "image_id": "sha256:" + "d" * 64, "version": None,
     "references": ["docker-fpm-frr:latest"], "size": 1234567890, "kept": True, "because": []},
]


def test_a_table_in_natural_order(switch):
    result = switch.with_imgmgrd(out=json.dumps(IMAGES)).show("image-list")
    assert (result.exit_code, switch.calls()) == (0, ["[images][--json]"])
    assert lines(result)[0].split() == ["Feature", "Version", "ImageId", "Size", "References", "Kept", "Because"]
    assert cells(result) == [
        ["bgp0, bgp1", "", "d" * 12, "1.23 GB", "docker-fpm-frr:latest", "yes", ""],
        ["snmp", "20201231.84", "c" * 12, "999 B", "registry:5000/docker-snmp@sha256:" + "e" * 12, "no", "it is old"],
        ["snmp", "20201231.104", "b" * 12, "396.1 MB",
         "docker-snmp:latest, registry:5000/docker-snmp:20201231.104", "yes", "it is latest; it is promoted"],
    ]


def test_one_feature(switch):
    switch.with_imgmgrd(out="[]").show("image-list", "snmp")
    assert switch.calls() == ["[images][snmp][--json]"]


def test_json(switch):
    result = switch.with_imgmgrd(out=json.dumps(IMAGES)).show("image-list", "--json")
    assert json.loads(result.stdout) == [IMAGES[2], IMAGES[1], IMAGES[0]]


def test_what_imgmgrd_complains_of_is_passed_on(switch):
    switch.with_imgmgrd(err='imgmgrd: no feature "snpm" on this \x1b[31mswitch\n', code=3)
    result = switch.show("image-list", "snpm")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == 'imgmgrd: no feature "snpm" on this \\x1b[31mswitch\n'


@pytest.mark.parametrize("answer", ["", "images", "{}", "[1]", "null"])
def test_an_answer_that_is_none(switch, answer):
    result = switch.with_imgmgrd(out=answer).show("image-list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the answer of imgmgrd is no" in result.stderr


def test_fields_of_other_types(switch):
    answer = [{"image": 1, "features": "snmp", "size": "big", "kept": None, "because": "a\x1bb", "image_id": None}]
    result = switch.with_imgmgrd(out=json.dumps(answer)).show("image-list")
    assert cells(result) == [["snmp", "", "", "big", "", "no", "a\\x1bb"]]


def test_without_imgmgrd(switch):
    result = switch.show("image-list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "imgmgrd is not in PATH. Install the image manager" in result.stderr


def test_an_imgmgrd_that_cannot_be_run(switch):
    switch.with_imgmgrd()
    (switch.bin / "imgmgrd").write_bytes(b"\x7fELF for another machine")
    result = switch.show("image-list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cannot be run" in result.stderr
