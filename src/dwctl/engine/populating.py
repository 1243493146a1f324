"""Makes the lines of new batches wait, step by step.

Wakes on: a notice of the queue, a reconnect, and every `claim_interval_ms`. Writes: `requests`, `queue`, `lanes`,
`batches`. A step is a transaction of a few thousand lines; if the process dies, the next one goes on behind the last
step that was committed. Several processes take turns at the same batch. May be lost: nothing.
"""

import asyncio
import logging
from contextlib import suppress

import asyncpg

from dwctl.db.postgres import reason_of
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.writer import AWAY

logger = logging.getLogger(__name__)

AT_ONCE = 20
"""Batches in one look."""


class Populating:
    """The service, and a subscriber of the queue's channel."""

    name = "populating"

    def __init__(self, store: QueueStore, *, every: float, step: int) -> None:
        self._store = store
        self._every = every
        self._step = step
        self._wake = asyncio.Event()

    def on_connected(self) -> None:
        """Notices may have been missed."""
        self._wake.set()

    def on_notice(self, payload: str) -> None:
        """There may be a new batch."""
        del payload
        self._wake.set()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Populate until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self.step_all()
            except (*AWAY, asyncpg.PostgresError) as error:
                logger.warning("batches wait to be started: %s", reason_of(error))
                await asyncio.sleep(self._every)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._wake.wait()

    async def stop(self) -> None:
        """Nothing to flush."""

    async def step_all(self) -> None:
        """Until every batch has started. A step of each in turn: a large one keeps no small one waiting."""
        while batches := await self._store.unstarted(AT_ONCE):
            for batch_id in batches:
                await self._store.populate(batch_id, self._step)
