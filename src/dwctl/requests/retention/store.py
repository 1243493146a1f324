"""Days of calls that are old enough are dropped: rows, bodies and contents. The ledger's entries stay.

A day goes as a whole, or stays as a whole while any of it is needed (`request_day_is_needed` in the schema): something
is queued or run, or a batch goes on or has an output that can be read. First its rows go, in a transaction that looks
again while nobody writes. From then on nothing leads to its bodies and contents, which follow, each table in a
transaction of its own. If the process dies in between, the next round finds what is left. Whoever waits for a lock
gives up after half a second, and the day is tried again in the next round.

An output or error file without an end of its own ends as many days after its batch did, so that no batch keeps its day
for ever. Ids that callers made up lie in no day: their rows are deleted one by one, some in a step. Each step is a
transaction that passes over rows which somebody holds; what it leaves when the process dies the next one finds.
"""

import logging
from collections.abc import Sequence

import asyncpg

from dwctl.db.postgres import Database
from dwctl.db.queries import Queries

logger = logging.getLogger(__name__)

FOREIGN = (
    "clear_foreign_bodies",
    "clear_foreign_contents",
    "clear_foreign_events",
    "clear_foreign_attempts",
    "clear_foreign_tool_calls",
    "clear_foreign",
)


class Retention:
    """Drops days, one at a step; run by one process at a time."""

    def __init__(self, database: Database, days: int) -> None:
        self._database = database
        self._days = days
        self._sql = Queries.load(__package__)

    async def step(self, most: int) -> int:
        """Some of what can go: outputs, then a day, then what lies in no day; 0 when nothing is left to do."""
        if done := await self._clear("old_outputs", ("expire_outputs",), most):
            return done
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
        for name in ("clear_attempts", "clear_tool_calls"):
            cleared = await self._database.execute(self._sql[name], most)
            if done := int(cleared.removeprefix("DELETE ")):
                return done
        return await self._clear("old_foreign", FOREIGN, most)

    async def _clear(self, find: str, then: Sequence[str], most: int) -> int:
        """Hold some rows that are old enough, and do away with them; how many."""
        async with self._database.transaction() as connection:
            # Statements of their own, each along an index: joined, they would be read from end to end.
            ids = [row["id"] for row in await connection.fetch(self._sql[find], self._days, most)]
            if ids:
                for name in then:
                    await connection.execute(self._sql[name], ids)
        return len(ids)
