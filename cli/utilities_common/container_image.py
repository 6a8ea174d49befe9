"""What the image commands of show, config and dump have in common.

It lies beside the code that SONiC's own commands share, because all that is in a `plugins` package is taken for a
plugin. Nothing but the standard library and click is imported here: a plugin that cannot be imported is reported on
every command that an operator types. What sonic-utilities brings is imported when a command runs.
"""

import functools
import json
import math
import re
import shutil
import subprocess
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import click

GLOBAL_TABLE = "CONTAINER_IMAGE"
GLOBAL_KEY = "GLOBAL"
FEATURE_TABLE = "CONTAINER_IMAGE_FEATURE"
STATE_TABLE = "CONTAINER_IMAGE"
HISTORY_TABLE = "CONTAINER_IMAGE_HISTORY"

REMOTE_CTR_CONFIG = "/etc/sonic/remote_ctr.config.json"
"""The settings of ctrmgrd, from which the default of stable_time comes."""

BINARY = "imgmgrd"

FEATURE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")

LONGEST_SHOWN = 1000
"""How much of a value is shown: a cell that is longer is nothing that the agent wrote."""


def printable(value: Any) -> str:
    """A value that somebody else wrote, safe to show: what a terminal would act upon is escaped, and it is cut."""
    text = str(value)
    shown = "".join(_escaped(character) for character in text[:LONGEST_SHOWN])
    return shown + "..." if len(text) > LONGEST_SHOWN else shown


def printable_lines(text: str) -> str:
    """The output of a program: lines stay lines, all else that a terminal would act upon is escaped."""
    return "".join(character if character in "\n\t" else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


class Setting(NamedTuple):
    """A field of the policy: how it is read, what it may be, and what holds when nobody says anything."""

    field: str
    parse: Callable[[str], Optional[str]]
    """The value as it is written to CONFIG_DB; None if it is not allowed."""
    allowed: str
    default: str
    help: str
    per_feature_only: bool = False

    @property
    def command(self) -> str:
        """The name of its command."""
        return self.field.replace("_", "-")


def _enabled_or_disabled(text: str) -> Optional[str]:
    return text.lower() if text.lower() in ("enabled", "disabled") else None


def _number(least: int, most: int) -> Callable[[str], Optional[str]]:
    def parse(text: str) -> Optional[str]:
        # Digits of other scripts are digits to Python, too, and a number may be too long to convert.
        is_number = re.fullmatch(r"0*[0-9]{1,9}", text) is not None and len(text) <= 40
        return str(int(text)) if is_number and least <= int(text) <= most else None

    return parse


def _pin(text: str) -> Optional[str]:
    return text if TAG.fullmatch(text) and text != "latest" else None


SETTINGS: Dict[str, Setting] = {
    setting.field: setting
    for setting in (
        Setting("state", _enabled_or_disabled, "enabled or disabled", "enabled",
                "Whether images are managed; disabled: decide and publish only"),
        Setting("stable_time", _number(0, 86400), "0..86400 (seconds)", "600",
                "How many seconds a version has to run before it is promoted"),
        Setting("keep_versions", _number(2, 10), "2..10", "2",
                "How many promoted versions stay on the disk, the current one included"),
        Setting("cleanup", _enabled_or_disabled, "enabled or disabled", "enabled",
                "Whether old images are removed"),
        Setting("pin", _pin, "a Docker tag other than latest: letters, digits, '_', '.' and '-', beginning with no "
                "'.' or '-', at most 128 characters", "",
                "A version that clean-up leaves alone", per_feature_only=True),
    )
}


def refusal(setting: Setting, value: str) -> str:
    """Says what is wrong with a value."""
    return f'{setting.field} "{printable(value)}" is not valid: it must be {setting.allowed}'


def default_of(setting: Setting) -> str:
    """The value that holds when no row has one."""
    return default_stable_time() if setting.field == "stable_time" else setting.default


def default_stable_time() -> str:
    """What ctrmgrd was told to wait, so that a switch behaves as before on the day the agent is installed.

    More than a day means that ctrmgrd's own timer is parked, and is no wait for the agent.
    """
    fallback = SETTINGS["stable_time"].default
    try:
        with open(REMOTE_CTR_CONFIG, encoding="utf-8") as file:
            config = json.load(file)
        value = config["tag_latest_image_on_wait_seconds"]
        is_text = isinstance(value, str) and re.fullmatch(r"[0-9.]+", value.strip())
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        seconds = math.ceil(float(value)) if is_text or is_number else -1
    except (OSError, ValueError, OverflowError, KeyError, TypeError, RecursionError):
        return fallback
    return str(seconds) if 0 <= seconds <= 86400 else fallback


class Effective(NamedTuple):
    """The value that holds, and the nearest place that has one: feature, global or default."""

    value: str
    source: str


class PolicyRow(NamedTuple):
    """A row of the policy."""

    source: str
    """feature or global."""
    name: str
    fields: Dict[str, str]


def rows_of(db: Any, feature: Optional[str]) -> List[PolicyRow]:
    """The rows of the host's CONFIG_DB that may hold a feature's policy, the nearest first; without a feature, the
    policy of all."""
    keys = [("global", GLOBAL_TABLE, GLOBAL_KEY)]
    if feature is not None:
        keys.insert(0, ("feature", FEATURE_TABLE, feature))
    return [PolicyRow(source, f"{table}|{key}", db.cfgdb.get_entry(table, key) or {}) for source, table, key in keys]


def settings_in(row: PolicyRow) -> Iterator[Tuple[Setting, str]]:
    """What a row sets. SONiC's scripts clear a field by writing the empty string."""
    for setting in SETTINGS.values():
        if row.fields.get(setting.field) and not (row.source == "global" and setting.per_feature_only):
            yield setting, row.fields[setting.field]


def policy_of(db: Any, feature: Optional[str]) -> Dict[str, Effective]:
    """The policy that holds for a feature, or where a feature has none of its own, by field."""
    policy = {field: Effective(default_of(setting), "default") for field, setting in SETTINGS.items()}
    for row in reversed(rows_of(db, feature)):
        for setting, text in settings_in(row):
            value = setting.parse(text)
            if value is not None:
                policy[setting.field] = Effective(value, row.source)
    return policy


def pass_db(command: Callable) -> Callable:
    """SONiC's decorator of this name, looked up when the command runs and not when the plugin is imported."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        from utilities_common.cli import pass_db as sonic_pass_db

        return sonic_pass_db(command)(*args, **kwargs)

    return run


def add_to_feature_group(cli: click.Group, commands: Sequence[click.Command]) -> None:
    """Adds commands to SONiC's `feature` group. What is there already is never shadowed."""
    group = cli.commands.get("feature")
    if not isinstance(group, click.Group):
        return
    for command in commands:
        if command.name not in group.commands:
            group.add_command(command)


def check_feature_name(name: str) -> str:
    """The name, if it can be one. Checked before it becomes part of a key or an argument."""
    if not FEATURE_NAME.fullmatch(name):
        raise click.UsageError(
            f'feature "{printable(name)}" is not a valid name: it must be letters, digits, \'_\', \'.\' and \'-\', '
            "beginning with a letter or digit, at most 64 characters"
        )
    return name


def known_features(db: Any) -> List[str]:
    """The features of the switch, by their rows in the host's CONFIG_DB. A key of several parts is no feature."""
    from natsort import natsorted

    return natsorted(name for name in db.cfgdb.get_table("FEATURE") or {} if isinstance(name, str))


def check_known_feature(db: Any, name: str) -> str:
    """The name, if the switch has such a feature."""
    features = known_features(db)
    if check_feature_name(name) not in features:
        there_are = ", ".join(printable(feature) for feature in features) or "none"
        raise click.ClickException(f"no feature {name} on this switch; there are: {there_are}")
    return name


def run_imgmgrd(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Runs the agent's binary, without a shell, and waits for its answer."""
    program = shutil.which(BINARY)
    if program is None:
        raise click.ClickException(
            f"{BINARY} is not in PATH. Install the image manager (/usr/bin/{BINARY}), or add its folder to PATH"
        )
    try:
        return subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="backslashreplace",
            check=False,
        )
    except OSError as error:
        problem = f"{program} cannot be run: {error.strerror}. Install the image manager again"
        raise click.ClickException(problem) from error


def exit_code(result: "subprocess.CompletedProcess[str]") -> int:
    """The exit code to pass on; as in a shell, 128 and more for a signal."""
    return result.returncode if result.returncode >= 0 else 128 - result.returncode
