"""Figures of work in PostgreSQL. They may lag."""

from datetime import datetime

from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.db.replica import Reading
from dwctl.requests.queue.demand.structs import Depth, Ended


class DemandStore:
    """Reads only."""

    def __init__(self, database: Database, reading: Reading | None = None) -> None:
        self._reading = reading or Reading(database)
        self._sql = Queries.load(__package__)

    async def depths(self) -> list[Depth]:
        """What waits or is being run from the queue."""
        return [Depth(*row.values()) for row in await self._reading.may_lag.fetch(self._sql["depths"])]

    async def interactive(self) -> list[Depth]:
        """What is being run without having been queued."""
        return [Depth(*row.values()) for row in await self._reading.may_lag.fetch(self._sql["interactive"])]

    async def ended(self, since: datetime, till: datetime) -> list[Ended]:
        """What has ended from one moment on and before the other."""
        rows = await self._reading.may_lag.fetch(self._sql["ended"], since, till)
        return [Ended(*row.values()) for row in rows]
