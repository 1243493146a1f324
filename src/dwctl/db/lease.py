"""Leases: work that one process at a time does for all that share a database.

A lease is a row with a holder and an end, by the database's clock. The holder takes it again before the end; if it
dies, the next one to ask after the end gets it. A lease says who should do the work, not that nobody else still
does: a holder that was suspended may go on for a moment, so the work itself must bear being done twice.
"""

from uuid import UUID

from dwctl.db.postgres import Database
from dwctl.db.queries import Queries


class Lease:
    """One process's claim on one kind of work."""

    def __init__(self, database: Database, name: str, holder: UUID, seconds: float) -> None:
        self._database = database
        self._sql = Queries.load("dwctl.db")
        self._name = name
        self._holder = holder
        self._seconds = seconds

    async def take(self) -> bool:
        """Take it or keep it for `seconds` from now; false while another process has it."""
        return (
            await self._database.fetch_row(self._sql["take_lease"], self._name, self._holder, self._seconds)
        ) is not None

    async def release(self) -> None:
        """Give it up, if it is ours."""
        await self._database.execute(self._sql["release_lease"], self._name, self._holder)
