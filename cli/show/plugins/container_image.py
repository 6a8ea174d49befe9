"""show feature image, image-list, image-history and image-policy.

Loaded by sonic-utilities from show/plugins. All but image-list read the databases; what is on the disk is asked of
imgmgrd, which has it from the engine.
"""

import json
import re
from datetime import datetime, timezone
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import click

from utilities_common.container_image import (
    HISTORY_TABLE,
    REMOTE_CTR_CONFIG,
    SETTINGS,
    STATE_TABLE,
    Effective,
    add_to_feature_group,
    check_feature_name,
    check_known_feature,
    default_of,
    exit_code,
    known_features,
    pass_db,
    policy_of,
    printable,
    printable_lines,
    refusal,
    rows_of,
    run_imgmgrd,
    settings_in,
)

HOST_NAMESPACE = ""
HOST_NAME = "localhost"
"""What SONiC's commands call the host's namespace, whose name is the empty string."""


class Row(NamedTuple):
    """A row of STATE_DB, and whose it is."""

    instance: str
    """The feature, with the ASIC's number in the namespace of an ASIC: bgp1."""
    namespace: str
    number: int
    """Of a history row, its place in the history."""
    fields: Dict[str, str]

    def field(self, name: str) -> str:
        """A field; one that is missing is as good as empty."""
        return self.fields.get(name) or ""


# ---------------------------------------------------------------------------------------------------------------------
# Reading
# ---------------------------------------------------------------------------------------------------------------------


def chosen_clients(db: Any, namespace: Optional[str]) -> List[Tuple[str, Any]]:
    """The STATE_DB of the namespace that was asked for, else of all."""
    from natsort import natsorted

    names = natsorted(db.db_clients)
    if namespace is not None:
        wanted = HOST_NAMESPACE if namespace == HOST_NAME else namespace
        if wanted not in names:
            there_are = ", ".join(name or HOST_NAME for name in names)
            raise click.UsageError(f'namespace "{printable(namespace)}" is not on this switch; there are: {there_are}')
        names = [wanted]
    return [(name, db.db_clients[name]) for name in names]


def instance_name(feature: str, namespace: str) -> str:
    """What the feature's container is called in a namespace: bgp1 in asic1."""
    asic = re.fullmatch(r"asic([0-9]+)", namespace)
    return feature + asic.group(1) if asic else feature


def read_rows(db: Any, table: str, feature: Optional[str], namespace: Optional[str]) -> List[Row]:
    """The rows of a table in STATE_DB, of one feature or instance, or of all: by feature in natural order, the newest
    entry of each first."""
    from natsort import natsorted

    rows = []
    for name, client in chosen_clients(db, namespace):
        for key in client.keys(client.STATE_DB, f"{table}|*") or ():
            _, _, rest = key.partition("|")
            owner, number = split_number(rest) if table == HISTORY_TABLE else (rest, 0)
            instance = instance_name(owner, name)
            if number is None or (feature is not None and feature not in (owner, instance)):
                continue
            fields = dict(client.get_all(client.STATE_DB, key) or {})
            rows.append(Row(instance, name, number, fields))
    return natsorted(rows, key=lambda row: (row.instance, row.namespace, -row.number))


def split_number(text: str) -> Tuple[str, Optional[int]]:
    """The two parts of `<feature>|<n>`; no number if it is none."""
    owner, _, number = text.rpartition("|")
    return owner, int(number) if re.fullmatch(r"[0-9]{1,18}", number) else None


def time_left(row: Row, now: datetime) -> Optional[int]:
    """The seconds until the version counts as stable, while that is awaited.

    The agent publishes them when it writes the row, and does not write again just because time passes.
    """
    if row.field("stability") != "observing" or not re.fullmatch(r"[0-9]{1,9}", row.field("stable_after")):
        return None
    try:
        written = datetime.strptime(row.field("update_time"), "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        written = now
    # A clock that was set back makes a row of the future; it has not waited less than not at all.
    passed = max(0, int((now - written).total_seconds()))
    return max(0, int(row.field("stable_after")) - passed)


def utc_now() -> datetime:
    """The time, of which the agent's rows are written in UTC."""
    return datetime.now(timezone.utc)


# ---------------------------------------------------------------------------------------------------------------------
# Showing
# ---------------------------------------------------------------------------------------------------------------------


def print_table(header: Sequence[str], body: Sequence[Sequence[Any]]) -> None:
    """A table as SONiC's commands print it. Versions look like numbers, and are none."""
    from tabulate import tabulate

    shown = [[printable("" if cell is None else cell) for cell in line] for line in body]
    click.echo(tabulate(shown, header, disable_numparse=True))


def print_json(value: Any) -> None:
    """JSON, in ASCII: control characters from Redis come out escaped."""
    click.echo(json.dumps(value, indent=4))


def answer(
    found: List[Dict[str, Any]], as_json: bool, header: Sequence[str], line: Callable[[Dict[str, Any]], List[Any]]
) -> None:
    """Prints what was found: as it is, or as a table with a line of each."""
    if as_json:
        print_json(found)
    else:
        print_table(header, [line(one) for one in found])


def check_found(db: Any, rows: Sequence[Any], feature: Optional[str], what: str) -> None:
    """Tells a feature that is unknown from one of which there is nothing."""
    if rows:
        return
    if feature is not None:
        asics = [namespace for namespace in db.db_clients if namespace]
        instances = {instance_name(name, asic) for name in known_features(db) for asic in asics}
        if feature not in instances:
            check_known_feature(db, feature)
    of_feature = f" of {feature}" if feature is not None else ""
    raise click.ClickException(
        f"no {what}{of_feature} in STATE_DB. imgmgrd writes it: see that it runs (systemctl status imgmgrd)"
    )


feature_argument = click.argument("feature", required=False, metavar="[FEATURE]")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON")
namespace_option = click.option(
    "-n", "--namespace", metavar="NAMESPACE", help="Only this namespace of a multi-ASIC switch; all without"
)


@click.command("image", short_help="Show how the image of each feature stands")
@feature_argument
@json_option
@namespace_option
@pass_db
def image(db: Any, feature: Optional[str], as_json: bool, namespace: Optional[str]) -> None:
    """Show how the image of each feature stands: its versions, whether it has proven stable, and why."""
    feature = feature and check_feature_name(feature)
    rows = read_rows(db, STATE_TABLE, feature, namespace)
    now = utc_now()
    check_found(db, rows, feature, "image state")
    header = ["Feature", "Stability", "Version", "StableVersion", "LastVersion", "TimeLeft", "Reason"]
    answer([image_as_json(row, now) for row in rows], as_json, header, image_line)


def image_as_json(row: Row, now: datetime) -> Dict[str, Any]:
    names = ("stability", "version", "stable_version", "last_version")
    fields = {name: row.field(name) for name in names}
    own = {"feature": row.instance, "namespace": row.namespace}
    return {**own, **fields, "time_left": time_left(row, now), "reason": row.field("reason")}


def image_line(found: Dict[str, Any]) -> List[Any]:
    left = found["time_left"]
    fields = [found[name] for name in ("feature", "stability", "version", "stable_version", "last_version")]
    return [*fields, None if left is None else f"{left} s", found["reason"]]


@click.command("image-history", short_help="Show what happened to the image of each feature")
@feature_argument
@json_option
@namespace_option
@pass_db
def image_history(db: Any, feature: Optional[str], as_json: bool, namespace: Optional[str]) -> None:
    """Show what happened to the images of each feature, the newest first."""
    feature = feature and check_feature_name(feature)
    rows = read_rows(db, HISTORY_TABLE, feature, namespace)
    if not rows and feature is not None:
        # A feature of which nothing is told yet is no error; one that does not exist is.
        check_found(db, read_rows(db, STATE_TABLE, feature, namespace), feature, "image state")
    header = ["Feature", "Number", "Time", "Event", "Version", "ImageId", "Count", "Detail"]
    answer([history_as_json(row) for row in rows], as_json, header, history_line)


HISTORY_FIELDS = (
    "time", "event", "version", "image_id", "reason", "detail", "container_id", "exit_code", "count", "first_time")


def history_as_json(row: Row) -> Dict[str, Any]:
    fields = {name: row.field(name) for name in HISTORY_FIELDS}
    return {"feature": row.instance, "namespace": row.namespace, "number": row.number, **fields}


def history_line(found: Dict[str, Any]) -> List[Any]:
    fields = [found[name] for name in ("feature", "number", "time", "event", "version")]
    count = f"{found['count']} since {found['first_time']}" if found["first_time"] else "1"
    return [*fields, short_id(found["image_id"]), count, found["detail"]]


# ---------------------------------------------------------------------------------------------------------------------
# Images on the disk
# ---------------------------------------------------------------------------------------------------------------------


@click.command("image-list", short_help="Show each image on the disk, and why it stays or goes")
@feature_argument
@json_option
@click.pass_context
def image_list(ctx: click.Context, feature: Optional[str], as_json: bool) -> None:
    """Show each image on the disk, and why it stays or goes. One image may serve several features or ASICs."""
    arguments = ["images", "--json"] if feature is None else ["images", check_feature_name(feature), "--json"]
    result = run_imgmgrd(arguments)
    if result.returncode != 0:
        click.echo(printable_lines(result.stderr), err=True, nl=False)
        ctx.exit(exit_code(result))
    header = ["Feature", "Version", "ImageId", "Size", "References", "Kept", "Because"]
    answer(sorted_images(parse_images(result.stdout)), as_json, header, image_on_disk_line)


def parse_images(text: str) -> List[Dict[str, Any]]:
    try:
        images = json.loads(text)
    except ValueError as error:
        raise click.ClickException(f"the answer of imgmgrd is no JSON: {printable(error)}") from error
    if not isinstance(images, list) or not all(isinstance(found, dict) for found in images):
        raise click.ClickException("the answer of imgmgrd is no list of images: are it and this command one version?")
    return images


def sorted_images(images: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    from natsort import natsorted

    names = ("image", "version", "image_id")
    return natsorted(images, key=lambda found: tuple(joined(found.get(name)) for name in names))


def image_on_disk_line(found: Dict[str, Any]) -> List[str]:
    kept = "yes" if found.get("kept") else "no"
    features, version, references = (joined(found.get(name)) for name in ("features", "version", "references"))
    # Digests in full would make most of the line; JSON has them.
    references = re.sub("(@sha256:[0-9a-f]{12})[0-9a-f]+", r"\1", references)
    image_id = short_id(joined(found.get("image_id")))
    return [features, version, image_id, size(found.get("size")), references, kept, joined(found.get("because"), "; ")]


def joined(value: Any, separator: str = ", ") -> str:
    """A text or a list of texts."""
    if value is None:
        return ""
    return separator.join(str(item) for item in value) if isinstance(value, list) else str(value)


def short_id(image_id: str) -> str:
    """The first 12 digits, as Docker shows an image's id."""
    return image_id[len("sha256:"):][:12] if image_id.startswith("sha256:") else image_id


def size(count: Any) -> str:
    """Bytes in the units that Docker uses."""
    if not isinstance(count, (int, float)) or isinstance(count, bool):
        return joined(count)
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} GB"


# ---------------------------------------------------------------------------------------------------------------------
# Policy
# ---------------------------------------------------------------------------------------------------------------------


@click.command("image-policy", short_help="Show the image policy of each feature")
@feature_argument
@json_option
@pass_db
def image_policy(db: Any, feature: Optional[str], as_json: bool) -> None:
    """Show the image policy that holds for each feature, and where each value comes from.

    It is configured in the host's CONFIG_DB, for all ASICs.
    """
    features = known_features(db) if feature is None else [check_known_feature(db, feature)]
    policies = {name: policy_of(db, name) for name in features}
    for complaint in sorted({complaint for name in features for complaint in complaints(db, name)}):
        click.echo(f"Warning: {complaint}", err=True)
    if as_json:
        print_json({name: policy_as_json(policy) for name, policy in policies.items()})
        return
    header = ["Feature", "State", "StableTime", "KeepVersions", "Cleanup", "Pin"]
    print_table(header, [[name, *map(effective_text, policies[name].values())] for name in features])
    stable_time = SETTINGS["stable_time"]
    if default_of(stable_time) != stable_time.default:
        click.echo(f"\nThe default of StableTime is from {REMOTE_CTR_CONFIG}.")


def complaints(db: Any, feature: str) -> Iterator[str]:
    """What the agent refuses of the rows. Of a value that was good before, the agent keeps that one."""
    for row in rows_of(db, feature):
        for setting, text in settings_in(row):
            if setting.parse(text) is None:
                yield f"CONFIG_DB {row.name}: {refusal(setting, text)}. The agent keeps the last good value that it saw"


def policy_as_json(policy: Dict[str, Effective]) -> Dict[str, Dict[str, str]]:
    return {field: found._asdict() for field, found in policy.items()}


def effective_text(found: Effective) -> str:
    return f"{found.value} ({found.source})" if found.value else ""


def register(cli: click.Group) -> None:
    """Called by sonic-utilities with the top group of `show`."""
    add_to_feature_group(cli, [image, image_list, image_history, image_policy])
