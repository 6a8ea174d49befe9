"""The connector that has YANG judge what is written; here a judge of our own tables, in a few lines."""

import logging

RANGES = {"stable_time": (0, 86400), "keep_versions": (2, 10)}


class ValidatedConfigDBConnector:
    """Wraps a connector; judges where DEVICE_METADATA says so."""

    def __init__(self, config_db_connector):
        self.connector = config_db_connector
        metadata = config_db_connector.get_entry("DEVICE_METADATA", "localhost")
        self.yang_enabled = metadata.get("yang_config_validation") == "enable"

    def __getattr__(self, name):
        if self.yang_enabled and name in ("set_entry", "mod_entry"):
            return getattr(self, f"validated_{name}")
        return getattr(self.connector, name)

    def judge(self, table, key, data):
        """Raises ValueError for what the model does not allow."""
        if self.connector.get_entry("STANDIN", "refuse"):
            raise ValueError("Data Loading Failed: all is refused")
        for field, value in (data or {}).items():
            least, most = RANGES.get(field, (None, None))
            if least is not None and not least <= int(value) <= most:
                raise ValueError(f"Data Loading Failed: {field} {value} is out of range")
        if data and table == "CONTAINER_IMAGE_FEATURE" and key not in self.connector.get_table("FEATURE"):
            raise ValueError(f"Data Loading Failed: leafref {key} points to no FEATURE")

    def validated_mod_entry(self, table, key, data):
        self.judge(table, key, {**self.connector.get_entry(table, key), **data})
        if list(data.values()) == [""]:
            left = {name: value for name, value in self.connector.get_entry(table, key).items() if name not in data}
            self.connector.set_entry(table, key, left)
        else:
            self.connector.mod_entry(table, key, data)

    def validated_set_entry(self, table, key, data):
        try:
            self.judge(table, key, data)
        except ValueError as error:
            # The real one removes a table that is to become empty as a whole, and only logs that this is refused.
            if data is None and set(self.connector.get_table(table)) == {key}:
                logging.getLogger("Patch Applier").warning("Unable to remove entry: %s", error)
                return
            raise
        self.connector.set_entry(table, key, data)
