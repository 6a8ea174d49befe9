"""Looks keys up."""

from swsscommon import swsscommon


class MatchRequest:
    """What to look up."""

    def __init__(self, **kwargs):
        self.db = kwargs["db"]
        self.table = kwargs["table"]
        self.key_pattern = kwargs.get("key_pattern", "*")
        self.ns = kwargs.get("ns", "")
        if self.ns not in swsscommon.NAMESPACES:
            raise Exception("Static Checks for the MatchRequest Failed, Reason: \nNamespace is invalid")


class MatchEngine:
    """Answers requests."""

    def __init__(self, conn_pool=None):
        self.conn_pool = conn_pool

    def fetch(self, req):
        client = swsscommon.SonicV2Connector(req.ns)
        keys = client.keys(req.db, f"{req.table}|{req.key_pattern}") or []
        return {"error": "" if keys else "No Entries found", "keys": keys, "return_values": {}}
