"""Deletes what nobody needs any more, in steps that lock nobody out.

Wakes on: every `purge_interval_ms`, in one process at a time (a lease). Writes: whatever its chores delete, and `lanes`
of single calls in which nothing waits. If the process dies, the next holder of the lease goes on. May be lost: nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from dwctl.core.services import run_within
from dwctl.db.lease import Lease
from dwctl.db.postgres import reason_of
from dwctl.engine.counts import WorkerCounts
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.writer import AWAY

logger = logging.getLogger(__name__)

Chore = Callable[[int], Awaitable[int]]
"""One bounded step of at most so many rows; gives how many it was, 0 when nothing is left."""
RETRY_AFTER = 30.0
RELEASE_WITHIN = 1.0
"""Seconds; a database that hangs is not waited for: the lease runs out."""


class Housekeeping:
    """The service."""

    name = "housekeeping"

    def __init__(
        self,
        store: QueueStore,
        lease: Lease,
        counts: WorkerCounts,
        chores: Sequence[Chore],
        *,
        every: float,
        step: int,
        pause: float,
    ) -> None:
        self._store = store
        self._lease = lease
        self._counts = counts
        self._chores = chores
        self._every = every
        self._step = step
        self._pause = pause
        self._leads = False

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Keep house until cancelled."""
        while True:
            wait = self._every
            try:
                self._leads = await self._lease.take()
                if self._leads:
                    await self.round()
            except (*AWAY, asyncpg.PostgresError) as error:
                self._counts.purge_errors += 1
                logger.warning("nothing is purged: %s", reason_of(error))
                wait = min(wait, RETRY_AFTER)
            await asyncio.sleep(wait)

    async def stop(self) -> None:
        """Let another process do it."""
        if not self._leads:
            return
        try:
            await run_within(self._lease.release(), RELEASE_WITHIN, name="handing over housekeeping")
        except (*AWAY, asyncpg.PostgresError) as error:
            logger.debug("the lease runs out by itself: %s", reason_of(error))

    async def round(self) -> None:
        """Everything once."""
        await self._store.forget_lanes()
        for chore in self._chores:
            while count := await chore(self._step):
                self._counts.purged += count
                await asyncio.sleep(self._pause)
                await self._lease.take()
