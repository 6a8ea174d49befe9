"""dump state container_image: the rows of the image management, of one feature or all.

Loaded by sonic-utilities from dump/plugins, which takes every direct subclass of Executor for a module, named like the
class in lower case. It only reads.
"""

from typing import Any, Dict, List

from utilities_common.container_image import (
    FEATURE_NAME,
    FEATURE_TABLE,
    GLOBAL_KEY,
    GLOBAL_TABLE,
    HISTORY_TABLE,
    STATE_TABLE,
)

try:
    from .executor import Executor
except ImportError:
    # Without sonic-utilities nobody runs this; importing it must do no harm all the same.
    Executor = object

HOST_NAMESPACE = ""


class Container_Image(Executor):  # pylint: disable=invalid-name
    """The policy, state and history of a feature's images."""

    ARG_NAME = "feature_name"

    def get_all_args(self, ns: str = HOST_NAMESPACE) -> List[str]:
        """Every feature of which there is a row."""
        tables = [("STATE_DB", STATE_TABLE)]
        if ns == HOST_NAMESPACE:
            tables.append(("CONFIG_DB", FEATURE_TABLE))
        keys = {key.split("|", 1)[1] for db, table in tables for key in self._keys(db, table, "*", ns)}
        return sorted(keys)

    def execute(self, params: Dict[str, Any]) -> Dict[str, Dict[str, List[str]]]:
        """The keys of a feature's rows. The policy is in the host's CONFIG_DB, whatever the namespace."""
        from dump.helper import create_template_dict

        feature, ns = params[self.ARG_NAME], params["namespace"]
        self.ret_temp = create_template_dict(dbs=["CONFIG_DB", "STATE_DB"])
        # The name becomes a glob pattern: one that is no name of a feature must match nothing.
        is_valid = FEATURE_NAME.fullmatch(feature) is not None
        if is_valid and ns == HOST_NAMESPACE:
            self._add("CONFIG_DB", self._keys("CONFIG_DB", GLOBAL_TABLE, GLOBAL_KEY, ns))
            self._add("CONFIG_DB", self._keys("CONFIG_DB", FEATURE_TABLE, feature, ns))
        state = self._keys("STATE_DB", STATE_TABLE, feature, ns) if is_valid else []
        if not state:
            self.ret_temp["STATE_DB"]["tables_not_found"].append(STATE_TABLE)
        self._add("STATE_DB", state)
        if is_valid:
            self._add("STATE_DB", self._keys("STATE_DB", HISTORY_TABLE, f"{feature}|*", ns))
        return self.ret_temp

    def _add(self, db: str, keys: List[str]) -> None:
        self.ret_temp[db]["keys"].extend(keys)

    def _keys(self, db: str, table: str, pattern: str, ns: str) -> List[str]:
        from dump.match_infra import MatchRequest

        return self.match_engine.fetch(MatchRequest(db=db, table=table, key_pattern=pattern, ns=ns))["keys"] or []
