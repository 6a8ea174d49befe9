"""Loading as SONiC loads plugins, beside what is there already."""

import os
import re
import subprocess
import sys
import types

import click
import pytest

import config.main
import config.plugins.container_image
import show.main
import show.plugins.container_image
from installed import PLUGINS, install
from utilities_common.cli import AbbreviationGroup


def commands_in(help_text):
    """The first words below `Commands:`; what is wrapped is indented deeper."""
    return re.findall(r"^  (\S+)", help_text.partition("Commands:\n")[2], re.MULTILINE)


def test_the_commands_are_there(switch):
    shown = commands_in(switch.show("--help").stdout)
    assert shown == ["autorestart", "config", "image", "image-history", "image-list", "image-policy", "status"]
    configured = commands_in(switch.config("image", "--help").stdout)
    assert configured == ["cleanup", "default", "keep-versions", "pin", "promote", "rollback", "stable-time", "state"]


def test_each_command_explains_itself(switch):
    for name in show.main.feature.commands:
        assert switch.show(name, "--help").exit_code == 0
    group = config.main.feature.commands["image"]
    for name, command in group.commands.items():
        result = switch.config("image", name, "-h")
        assert result.exit_code == 0 and command.help.split()[0] in result.stdout
    assert "VALUE: 0..86400 (seconds)" in switch.config("image", "stable-time", "--help").stdout
    assert "FEATURE VALUE | --global VALUE" in switch.config("image", "stable-time", "--help").stdout
    assert "--global" not in switch.config("image", "pin", "--help").stdout


@pytest.mark.parametrize("word, name", [("status", "status"), ("st", "status"), ("c", "config"), ("a", "autorestart")])
def test_what_show_had_is_still_reached(switch, word, name):
    assert switch.show(word).stdout == f"SONiC's own show feature {name}\n"


@pytest.mark.parametrize(
    "word, name", [("owner", "owner"), ("o", "owner"), ("f", "fallback"), ("s", "state"), ("a", "autorestart")]
)
def test_what_config_had_is_still_reached(switch, word, name):
    assert switch.config(word).stdout == f"SONiC's own config feature {name}\n"


def test_abbreviations(switch):
    switch.image("snmp").event("snmp", 1).with_imgmgrd(out="[]")
    assert switch.show("im", "snmp").stdout == switch.show("image", "snmp").stdout
    assert switch.show("image-h").stdout == switch.show("image-history").stdout
    assert switch.show("image-p").stdout == switch.show("image-policy").stdout
    assert switch.show("image-l").exit_code == 0
    assert switch.config("i", "k", "snmp", "3").stdout == "snmp: keep_versions is 3 now (was not set)\n"
    assert switch.config("image", "pro", "-y", "snmp").exit_code == 0
    ambiguous = switch.config("image", "p", "snmp", "3")
    assert ambiguous.exit_code == 2 and "Too many matches: pin, promote" in ambiguous.stderr


@pytest.mark.parametrize("plugin", [show.plugins.container_image, config.plugins.container_image])
def test_a_command_of_that_name_is_not_shadowed(plugin):
    root = click.Group("root")
    group = AbbreviationGroup("feature")
    theirs = click.Command("image")
    root.add_command(group)
    group.add_command(theirs)
    plugin.register(root)
    assert group.commands["image"] is theirs


@pytest.mark.parametrize("plugin", [show.plugins.container_image, config.plugins.container_image])
@pytest.mark.parametrize("commands", [[], [click.Command("feature")]])
def test_without_a_feature_group_nothing_is_added_and_nothing_reported(plugin, commands):
    root = click.Group("root", commands={command.name: command for command in commands})
    plugin.register(root)
    assert list(root.commands.values()) == commands


def test_the_loader_has_nothing_to_report():
    """A fresh process, as each command is; and a plugin that is bad does not go unnoticed by this test."""
    script = "import show.main, config.main, dump.plugins; print(sorted(dump.plugins.dump_modules))"
    result = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True,
                            env={"PYTHONPATH": os.pathsep.join(sys.path)})
    assert (result.returncode, result.stdout, result.stderr) == (0, "['container_image']\n", "")


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python does not tell what its standard library is")
def test_nothing_but_click_is_needed_to_import(tmp_path):
    """What a release brings may differ, or be broken: a plugin must not be reported on every command for that."""
    folder = install(str(tmp_path / "installed"), PLUGINS)
    script = """
import importlib.abc, sys
class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        first = name.split(".")[0]
        if first in sys.stdlib_module_names or first in ("click", "colorama", "typing_extensions"):
            return None
        if name.split(".")[-1] == "container_image" or name in ("show", "show.plugins", "config", "config.plugins",
                                                              "dump", "dump.plugins", "utilities_common"):
            return None
        raise ModuleNotFoundError(f"no {name}", name=name)
sys.meta_path.insert(0, Nothing())
import show.plugins.container_image, config.plugins.container_image, dump.plugins.container_image
import click
root = click.Group("root", commands={"feature": click.Group("feature")})
show.plugins.container_image.register(root)
config.plugins.container_image.register(root)
print(*root.commands["feature"].commands)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={"PYTHONPATH": folder})
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "image image-list image-history image-policy\n"


def test_only_plugins_are_in_the_packages_of_plugins():
    """Every module there is taken for a plugin, and reported if it is none."""
    for package in ("show", "config"):
        for path in (PLUGINS / package / "plugins").glob("*.py"):
            module = sys.modules[f"{package}.plugins.{path.stem}"]
            assert isinstance(module.register, types.FunctionType)
