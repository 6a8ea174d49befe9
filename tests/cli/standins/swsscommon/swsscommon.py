"""The connectors of sonic-swss-common, as far as the plugins use them."""

import redis

SOCKET = ""
NAMESPACES = [""]
IDS = {"CONFIG_DB": 4, "STATE_DB": 6}
PLACEHOLDER = {"NULL": "NULL"}


def connect(db_name, namespace):
    """Each namespace has its own range of numbers on the one server."""
    number = IDS[db_name] + 10 * NAMESPACES.index(namespace)
    return redis.Redis(unix_socket_path=SOCKET, db=number, decode_responses=True, encoding_errors="surrogateescape")


class SonicV2Connector:
    """A connection to the databases of one namespace."""

    CONFIG_DB = "CONFIG_DB"
    STATE_DB = "STATE_DB"

    def __init__(self, namespace=""):
        self.clients = {name: connect(name, namespace) for name in IDS}

    def keys(self, db_name, pattern="*"):
        """None where nothing matches, as in the releases before swss-common became C++."""
        return self.clients[db_name].keys(pattern) or None

    def get_all(self, db_name, key):
        return self.clients[db_name].hgetall(key)


class ConfigDBConnector:
    """Rows of CONFIG_DB by table and key."""

    def __init__(self, namespace=""):
        self.client = connect("CONFIG_DB", namespace)

    @staticmethod
    def _key(table, key):
        return "|".join([table, *([key] if isinstance(key, str) else key)])

    @staticmethod
    def _fields(row):
        return {field: value for field, value in row.items() if field != "NULL"}

    def get_entry(self, table, key):
        return self._fields(self.client.hgetall(self._key(table, key)))

    def get_table(self, table):
        entries = {}
        for full in self.client.keys(f"{table}|*"):
            parts = tuple(full.split("|")[1:])
            entries[parts[0] if len(parts) == 1 else parts] = self._fields(self.client.hgetall(full))
        return entries

    def set_entry(self, table, key, data):
        full = self._key(table, key)
        if data is None:
            self.client.delete(full)
            return
        before = self.get_entry(table, key)
        self.client.hset(full, mapping=data or PLACEHOLDER)
        for field in set(before) - set(data):
            self.client.hdel(full, field)

    def mod_entry(self, table, key, data):
        if data is None:
            self.client.delete(self._key(table, key))
        else:
            self.client.hset(self._key(table, key), mapping=data or PLACEHOLDER)
