"""config feature image promote and rollback."""

import pytest

ACTIONS = ["promote", "rollback"]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("words, answer", [(("snmp",), "y\n"), (("snmp", "-y"), None), (("--yes", "snmp"), None)])
def test_the_agent_is_asked(switch, action, words, answer):
    before = switch.with_imgmgrd(out="snmp: done\n").content()
    result = switch.config("image", action, *words, answer=answer)
    assert (result.exit_code, switch.calls()) == (0, [f"[{action}][snmp]"])
    assert result.stdout.endswith("snmp: done\n")
    assert ("[y/N]" in result.stdout) == (answer is not None)
    assert switch.content() == before


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("answer", ["n\n", "\n", "", "what\nno\n"])
def test_no_means_that_nothing_is_done(switch, action, answer):
    before = switch.with_imgmgrd().content()
    result = switch.config("image", action, "snmp", answer=answer)
    assert result.exit_code == 1
    assert "Aborted!" in result.stderr
    assert (switch.calls(), switch.content()) == ([], before)


@pytest.mark.parametrize("action", ACTIONS)
def test_what_the_agent_answers_is_passed_on(switch, action):
    switch.with_imgmgrd(out="half\n", err="imgmgrd: 20201231.64 is not on the \x1b[31mdisk\n", code=7)
    result = switch.config("image", action, "-y", "snmp")
    assert (result.exit_code, result.stdout) == (7, "half\n")
    assert result.stderr == "imgmgrd: 20201231.64 is not on the \\x1b[31mdisk\n"


def test_an_agent_that_is_killed(switch):
    switch.with_imgmgrd()
    (switch.bin / "imgmgrd").write_text("#!/bin/sh\nkill -9 $$\n")
    assert switch.config("image", "promote", "-y", "snmp").exit_code == 137


@pytest.mark.parametrize("action", ACTIONS)
def test_without_imgmgrd(switch, action):
    result = switch.config("image", action, "-y", "snmp")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "imgmgrd is not in PATH. Install the image manager" in result.stderr


@pytest.mark.parametrize(
    "words", [("promote",), ("promote", "snmp", "bgp"), ("rollback", "--global"), ("rollback", "-y")]
)
def test_wrong_usage(switch, words):
    result = switch.with_imgmgrd().config("image", *words)
    assert (result.exit_code, result.stdout, switch.calls()) == (2, "", [])
