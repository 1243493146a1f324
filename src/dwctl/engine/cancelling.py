"""Carries out cancellations: of requests that wait, step by step, and of those that run here.

Wakes on: a notice of the queue, a reconnect, and every `cancellation_poll_interval_ms`. Writes: `requests`, `queue`,
`lanes`, `batches`; what runs is ended in the gateway, and its outcome is the completer's. If the process dies, what it
had not cancelled yet is cancelled by the next look of any process. May be lost: nothing.

A single call that is run is marked by whoever cancels it. Its holder ends it; if its attempt had failed just then and
another one follows, or its holder has died, it waits and is marked, and whoever looks takes it out of the queue. While
there are marks, looks follow each other quickly, for no notice tells of those two.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

from dwctl.engine.counts import WorkerCounts
from dwctl.engine.waking import Waking
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.singles.store import SingleStore

AT_ONCE = 20
STEP = 5000
"""Requests in one step."""
AGAIN = 0.25
"""Seconds to the next look while there are marks."""


class Runner(Protocol):
    """What runs requests here."""

    @property
    def in_flight(self) -> int:
        """How many."""
        ...

    def abort(self, ids: Iterable[UUID]) -> None:
        """End these."""
        ...


class Cancelling:
    """The service."""

    name = "cancelling"

    def __init__(
        self,
        store: QueueStore,
        singles: SingleStore,
        runner: Runner,
        holder: UUID,
        counts: WorkerCounts,
        *,
        every: float,
    ) -> None:
        self._store = store
        self._singles = singles
        self._again: asyncio.TimerHandle | None = None
        self._runner = runner
        self._holder = holder
        self._counts = counts
        self._every = every
        self.waking = Waking()
        """Subscribes to the queue's channel."""

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Look until cancelled."""
        await self.waking.keep(self.look, self._every, "cancellations wait", self._failed)

    async def stop(self) -> None:
        """Nothing to flush."""
        if self._again is not None:
            self._again.cancel()

    def _failed(self) -> None:
        self._counts.poll_errors += 1

    async def look(self) -> None:
        """Cancel what is to be cancelled now."""
        if self._runner.in_flight:
            self._runner.abort(await self._store.to_abort(self._holder))
        while await self._singles.cancel_marked(STEP) == STEP:
            pass
        if await self._singles.any_marked():
            self._again = asyncio.get_running_loop().call_later(AGAIN, self.waking.look)
        for batch_id in await self._store.cancelling(AT_ONCE):
            canceled = 0
            while step := await self._store.cancel_step(batch_id, STEP):
                canceled += step
            if canceled:
                self._counts.batches_cancelled += 1
