"""Puts the failed requests of a batch back, step by step, when there were too many for one transaction."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import asyncpg

from dwctl.core.clock import Clock
from dwctl.core.errors import Unavailable
from dwctl.db.postgres import UNREACHABLE, reason_of
from dwctl.requests.queue.store import QueueStore

logger = logging.getLogger(__name__)

STEP = 1000
LOOK_EVERY = 30.0
DEADLINE = timedelta(days=1)
"""Of a batch whose deadline passes between two steps."""
RETRY_FIRST, RETRY_MOST = 0.5, 30.0
AWAY = (*UNREACHABLE, asyncpg.PostgresError, asyncpg.InterfaceError, Unavailable, TimeoutError)


class Retrying:
    """The service.

    Woken by notices of the queue's channel, at the latest every 30 s. Writes rows of `requests`, `queue`, `lanes`,
    `attempts` and `batches`, a thousand requests in one transaction. If it dies, the batch stays marked and any process
    goes on behind the last step that was committed. Nothing may be lost.
    """

    name = "retrying"

    def __init__(self, queue: QueueStore, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._wake = asyncio.Event()

    def on_connected(self) -> None:
        """Notices may have been missed."""
        self._wake.set()

    def on_notice(self, payload: str) -> None:
        """Something of the queue has changed."""
        del payload
        self._wake.set()

    async def start(self) -> None:
        """Look at once."""
        self._wake.set()

    async def run(self) -> None:
        """Step until cancelled."""
        delay = 0.0
        while True:
            if delay:
                await asyncio.sleep(delay)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._wake.wait()
            self._wake.clear()
            try:
                while await self.step():
                    pass
            except AWAY as error:
                delay = min(max(delay * 2, RETRY_FIRST), RETRY_MOST)
                logger.warning("retries wait: %s; next try in %.1f s", reason_of(error), delay)
            else:
                delay = 0.0

    async def step(self) -> bool:
        """One step of each batch; whether there is more to do."""
        more = False
        for batch_id in await self._queue.retrying(100):
            deadline = datetime.fromtimestamp(self._clock.now(), UTC) + DEADLINE
            more |= await self._queue.retry_step(batch_id, STEP, deadline)
        return more

    async def stop(self) -> None:
        """Nothing is held."""
