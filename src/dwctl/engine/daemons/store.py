"""Reads the rows of processes."""

from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.engine.daemons.structs import Daemon


class DaemonStore:
    """Rows of `daemons`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def list(self, dead_after: float, status: str | None) -> list[Daemon]:
        """Those of one status, or all."""
        rows = await self._database.fetch(self._sql["list_daemons"], dead_after, status)
        return [Daemon(*row.values()) for row in rows]
