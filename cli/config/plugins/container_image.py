"""config feature image: the policy in CONFIG_DB, and promote and rollback.

Loaded by sonic-utilities from config/plugins. Every value is checked before anything is written, so that a command
either does what it says or changes nothing.
"""

from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple

import click

from utilities_common.container_image import (
    FEATURE_TABLE,
    GLOBAL_KEY,
    GLOBAL_TABLE,
    SETTINGS,
    Setting,
    add_to_feature_group,
    check_feature_name,
    check_known_feature,
    exit_code,
    pass_db,
    policy_of,
    printable,
    printable_lines,
    refusal,
    run_imgmgrd,
)


class Place(NamedTuple):
    """A row of the policy in the host's CONFIG_DB."""

    feature: Optional[str]
    """None: the row for all features."""

    @property
    def row(self) -> Tuple[str, str]:
        """Its table and key."""
        return (GLOBAL_TABLE, GLOBAL_KEY) if self.feature is None else (FEATURE_TABLE, self.feature)

    @property
    def name(self) -> str:
        """The row as it is called in CONFIG_DB."""
        return "|".join(self.row)

    def __str__(self) -> str:
        return "all features" if self.feature is None else self.feature


# ---------------------------------------------------------------------------------------------------------------------
# CONFIG_DB
# ---------------------------------------------------------------------------------------------------------------------


def validated(cfgdb: Any) -> Any:
    """The connector that has YANG judge what is written, where this release has it."""
    try:
        from config.validated_config_db_connector import ValidatedConfigDBConnector
    except ImportError:
        return cfgdb
    return ValidatedConfigDBConnector(cfgdb)


def set_field(db: Any, place: Place, field: str, value: str) -> None:
    """Writes one field; the others of the row stay."""
    row = write(db, place, lambda connector: connector.mod_entry(*place.row, {field: value}))
    check_written(place, row.get(field) == value)


def remove_fields(db: Any, place: Place, gone: Sequence[str]) -> None:
    """Removes fields; a row without fields is removed."""
    left = {field: value for field, value in db.cfgdb.get_entry(*place.row).items() if field not in gone}
    row = write(db, place, lambda connector: connector.set_entry(*place.row, left or None))
    check_written(place, not any(field in row for field in gone))


def write(db: Any, place: Place, change: Callable[[Any], None]) -> Dict[str, str]:
    """Writes, and gives the row as it is then."""
    try:
        change(validated(db.cfgdb))
    # YANG's refusals are ValueErrors; the patches that it judges have several unrelated errors of their own.
    except Exception as error:  # pylint: disable=broad-except
        raise click.ClickException(f"CONFIG_DB {place.name} was not changed: {printable_lines(str(error))}") from error
    return db.cfgdb.get_entry(*place.row)


def check_written(place: Place, is_done: bool) -> None:
    """Where a table is to become empty, a refusal by YANG is no error but only logged."""
    if not is_done:
        raise click.ClickException(f"CONFIG_DB {place.name} was not changed: the write was refused, see the system log")


# ---------------------------------------------------------------------------------------------------------------------
# Settings
# ---------------------------------------------------------------------------------------------------------------------

global_option = click.option("--global", "is_global", is_flag=True, help="For all features")

# A negative number is a value to refuse by its range, not an unknown option.
TAKES_VALUES = {"ignore_unknown_options": True}


def setting_command(setting: Setting) -> click.Command:
    """The command that sets one field: FEATURE VALUE, or --global VALUE."""
    usage = "FEATURE VALUE" if setting.per_feature_only else "FEATURE VALUE | --global VALUE"

    @pass_db
    def run(db: Any, words: Sequence[str], is_global: bool = False) -> None:
        place, value = place_and_value(db, words, is_global, usage)
        change_setting(db, place, setting, value)

    command = click.argument("words", nargs=-1, metavar=usage)(run)
    if not setting.per_feature_only:
        command = global_option(command)
    return click.command(
        setting.command,
        help=f"{setting.help}.\n\nVALUE: {setting.allowed}",
        short_help=setting.help,
        context_settings=TAKES_VALUES,
    )(command)


def place_and_value(db: Any, words: Sequence[str], is_global: bool, usage: str) -> Tuple[Place, str]:
    """Sorts the words of a setting command."""
    if len(words) != (1 if is_global else 2):
        raise click.UsageError(f"expected: {usage}")
    place = Place(None) if is_global else Place(check_known_feature(db, words[0]))
    return place, words[-1]


def change_setting(db: Any, place: Place, setting: Setting, text: str) -> None:
    value = setting.parse(text)
    if value is None:
        raise click.UsageError(refusal(setting, text))
    before = db.cfgdb.get_entry(*place.row).get(setting.field)
    if before == value:
        click.echo(f"{place}: {setting.field} is {value} already")
        return
    set_field(db, place, setting.field, value)
    was = f"was {printable(before)}" if before else "was not set"
    click.echo(f"{place}: {setting.field} is {value} now ({was})")


def to_default(db: Any, place: Place, fields: Sequence[str]) -> None:
    """Removes fields from the row, all if none is named."""
    row = db.cfgdb.get_entry(*place.row)
    # In the order of the commands, and what is no setting of ours behind them.
    in_order = dict.fromkeys([*SETTINGS, *sorted(row)])
    gone = {field: row[field] for field in in_order if field in row and (not fields or field in fields)}
    if not gone:
        click.echo(f"{place}: {fields[0]} is not set" if fields else f"{place}: nothing is set")
        return
    remove_fields(db, place, list(gone))
    now = policy_of(db, place.feature)
    for field, value in gone.items():
        holds = now.get(field)
        then = f"; {holds.value} holds now ({holds.source})" if holds and holds.value else ""
        click.echo(f"{place}: {printable(field)} {printable(value)} is removed{then}")


@click.command("default", short_help="Take settings back to the default", context_settings=TAKES_VALUES)
@click.argument("words", nargs=-1, metavar="FEATURE [SETTING] | --global [SETTING]")
@global_option
@pass_db
def default(db: Any, words: Sequence[str], is_global: bool) -> None:
    """Take one setting of a feature, or all, back to what is set globally, else the default. With --global, take what
    is set for all features back to the default.

    SETTING: state, stable-time, keep-versions, cleanup or, of a feature, pin.
    """
    names = list(words)
    place = Place(None)
    if not is_global:
        if not names:
            raise click.UsageError("expected: FEATURE [SETTING] | --global [SETTING]")
        place = place_with_row(db, names.pop(0))
    if len(names) > 1:
        raise click.UsageError("expected: FEATURE [SETTING] | --global [SETTING]")
    to_default(db, place, [field_of(name, place) for name in names])


def place_with_row(db: Any, feature: str) -> Place:
    """A feature, also one that is no more: its row must be removable."""
    if not db.cfgdb.get_entry(FEATURE_TABLE, check_feature_name(feature)):
        check_known_feature(db, feature)
    return Place(feature)


def field_of(name: str, place: Place) -> str:
    """The field that a command is named for."""
    fields = {s.command: s.field for s in SETTINGS.values() if place.feature is not None or not s.per_feature_only}
    if name not in fields:
        raise click.UsageError(f'there is no setting "{printable(name)}" of {place}; there are: {", ".join(fields)}')
    return fields[name]


# ---------------------------------------------------------------------------------------------------------------------
# Acting
# ---------------------------------------------------------------------------------------------------------------------


def action_command(name: str, what: str, explanation: str, question: str) -> click.Command:
    """The command that has imgmgrd act on a feature, once a person has said yes, and passes on what it says."""

    @pass_db
    def run(db: Any, feature: str, is_sure: bool) -> None:
        check_known_feature(db, feature)
        if not is_sure:
            click.confirm(question.format(feature), abort=True)
        result = run_imgmgrd([name, feature])
        click.echo(printable_lines(result.stdout), nl=False)
        click.echo(printable_lines(result.stderr), nl=False, err=True)
        if result.returncode != 0:
            click.get_current_context().exit(exit_code(result))

    command = click.argument("feature", metavar="FEATURE")(run)
    command = click.option("-y", "--yes", "is_sure", is_flag=True, help="Do not ask")(command)
    return click.command(name, help=f"{what}. {explanation}", short_help=what)(command)


ACTIONS = (
    action_command(
        "promote",
        "Make the running version latest without waiting",
        "It is the version that Kubernetes runs; every check but that it has proven stable stays.",
        "Promote the running version of {} without waiting until it has proven stable?",
    ),
    action_command(
        "rollback",
        "Make the last version latest again",
        "The image rolled back from is not promoted again until another takes over or a person promotes it.",
        "Make the last version of {} the local latest again?",
    ),
)


def image_group(parent: type) -> click.Group:
    """The group `config feature image`, which abbreviates like the group that it is put into."""
    group = parent("image", help="Configure and steer the image management of features")
    for command in (*map(setting_command, SETTINGS.values()), default, *ACTIONS):
        group.add_command(command)
    return group


def register(cli: click.Group) -> None:
    """Called by sonic-utilities with the top group of `config`."""
    feature = cli.commands.get("feature")
    parent = type(feature) if isinstance(feature, click.Group) else click.Group
    add_to_feature_group(cli, [image_group(parent)])
