"""Makes the lines of new batches wait, step by step.

Wakes on: a notice of the queue, a reconnect, and every `claim_interval_ms`. Writes: `requests`, `queue`, `lanes`,
`batches`. A step is a transaction of a few thousand lines; if the process dies, the next one goes on behind the last
step that was committed. Several processes take turns at the same batch. May be lost: nothing.
"""

from dwctl.engine.waking import Waking
from dwctl.requests.queue.store import QueueStore

AT_ONCE = 20
"""Batches in one look."""


class Populating:
    """The service."""

    name = "populating"

    def __init__(self, store: QueueStore, *, every: float, step: int) -> None:
        self._store = store
        self._every = every
        self._step = step
        self.waking = Waking()
        """Subscribes to the queue's channel."""

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Populate until cancelled."""
        await self.waking.keep(self.step_all, self._every, "batches wait to be started")

    async def stop(self) -> None:
        """Nothing to flush."""

    async def step_all(self) -> None:
        """Until every batch has started. A step of each in turn: a large one keeps no small one waiting."""
        while batches := await self._store.unstarted(AT_ONCE):
            for batch_id in batches:
                await self._store.populate(batch_id, self._step)
