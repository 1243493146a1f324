"""Days of calls that are old enough are dropped: rows, bodies and contents. The ledger's entries stay.

A day goes as a whole, or stays as a whole while any of it is needed (`request_day_is_needed` in the schema): something
is queued or run, or a batch goes on or has an output that can be read. First its rows go, in a transaction that looks
again while nobody writes. From then on nothing leads to its bodies and contents, which follow, each table in a
transaction of its own. If the process dies in between, the next round finds what is left. Whoever waits for a lock
gives up after half a second, and the day is tried again in the next round. Ids that callers made up lie in no day, and
stay.
"""

import logging

import asyncpg

from dwctl.db.postgres import Database
from dwctl.db.queries import Queries

logger = logging.getLogger(__name__)


class Retention:
    """Drops days, one at a step; run by one process at a time."""

    def __init__(self, database: Database, days: int) -> None:
        self._database = database
        self._days = days
        self._sql = Queries.load(__package__)

    async def step(self, most: int) -> int:
        """Drop the oldest day that can go, else clear up after days that have; 0 when nothing is left to do."""
        for day, rows, others in await self._database.fetch(self._sql["old_days"], self._days):
            try:
                if rows and (
                    await self._database.fetch_value(self._sql["needed"], day)
                    or not await self._database.fetch_value(self._sql["drop_rows"], day)
                ):
                    continue
                for parent in others:
                    await self._database.fetch_value(self._sql["drop_bodies"], parent, day)
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                logger.info("calls of %s are dropped later: the table is busy", day)
                return 0
            logger.info("calls of %s are dropped", day)
            return 1
        done = await self._database.execute(self._sql["clear_attempts"], most)
        return int(done.removeprefix("DELETE "))
