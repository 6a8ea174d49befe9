"""The base of the modules."""

from abc import ABC, abstractmethod

from dump.match_infra import MatchEngine


class Executor(ABC):
    """One module of `dump state`."""

    ARG_NAME = "id"

    def __init__(self, match_engine=None):
        self.match_engine = match_engine if isinstance(match_engine, MatchEngine) else MatchEngine(None)
        self.ret_temp = {}

    @abstractmethod
    def execute(self, params):
        """Everything about one identifier."""

    @abstractmethod
    def get_all_args(self, ns):
        """All identifiers."""
