"""When each key was used last, written now and then.

A `Service`. Wakes every ten seconds. Writes: `api_keys.last_used`, one statement for all keys used meanwhile, whatever
the number of calls. What cannot be written is kept for the next time. May be lost when the process dies: the uses of
the last ten seconds; the rows of the calls are not.
"""

import asyncio
import logging

import asyncpg

from dwctl.core.services import run_within
from dwctl.db.postgres import UNREACHABLE, Database, reason_of
from dwctl.db.queries import Queries

logger = logging.getLogger(__name__)

EVERY = 10.0
LAST_WITHIN = 1.0
"""Seconds for the last write when the process stops."""


class KeyUse:
    """`used` has the unix time of the last call by the key's id; whoever admits calls fills it."""

    name = "key-use"

    def __init__(
        self,
        database: Database,
        used: dict[str, float],
        *,
        every: float = EVERY,
        last_within: float = LAST_WITHIN,
    ) -> None:
        self._database = database
        self._sql = Queries.load(__package__)
        self._used = used
        self._every = every
        self._last_within = last_within

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self._write()

    async def stop(self) -> None:
        """Write what is left, if the database takes it soon."""
        try:
            await run_within(self._write(), self._last_within, name="last uses of keys")
        except TimeoutError:
            logger.warning("when keys were used last is not written: the database does not answer")

    async def _write(self) -> None:
        used = dict(self._used)
        if not used:
            return
        self._used.clear()
        try:
            await self._database.execute(
                # As texts: tens of thousands of UUIDs to make would hold the loop for a tenth of a second.
                self._sql["note_key_use"],
                list(used),
                list(used.values()),
            )
        except (*UNREACHABLE, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            for key_id, moment in used.items():
                self._used.setdefault(key_id, moment)
            logger.warning("when keys were used last is not written yet: %s", reason_of(error))
