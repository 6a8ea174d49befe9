"""What the commands get from pass_db."""

from swsscommon import swsscommon


class Db:
    """The databases of the host and of each namespace."""

    def __init__(self):
        self.cfgdb_clients = {name: swsscommon.ConfigDBConnector(name) for name in swsscommon.NAMESPACES}
        self.db_clients = {name: swsscommon.SonicV2Connector(name) for name in swsscommon.NAMESPACES}
        self.cfgdb = self.cfgdb_clients[""]
        self.db = self.db_clients[""]
