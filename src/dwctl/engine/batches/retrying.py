"""Puts the failed requests of a batch back, step by step, when there were too many for one transaction."""

from datetime import UTC, datetime, timedelta

from dwctl.core.clock import Clock
from dwctl.engine.waking import Waking
from dwctl.requests.queue.store import QueueStore

STEP = 1000
LOOK_EVERY = 30.0
DEADLINE = timedelta(days=1)
"""Of a batch whose deadline passes between two steps."""


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
        self.waking = Waking()
        """Subscribes to the queue's channel."""

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Step until cancelled."""
        await self.waking.keep(self._step_all, LOOK_EVERY, "retries wait")

    async def _step_all(self) -> None:
        while await self.step():
            pass

    async def step(self) -> bool:
        """One step of each batch; whether there is more to do."""
        more = False
        for batch_id in await self._queue.retrying(100):
            deadline = datetime.fromtimestamp(self._clock.now(), UTC) + DEADLINE
            more |= await self._queue.retry_step(batch_id, STEP, deadline)
        return more

    async def stop(self) -> None:
        """Nothing is held."""
