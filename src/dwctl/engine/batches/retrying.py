"""Puts the failed requests of a batch back, step by step, when there were too many for one transaction."""

from dwctl.core.clock import Clock
from dwctl.engine.waking import Waking
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.windows import once_more

STEP = 1000
LOOK_EVERY = 30.0


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
        for batch_id, window in (await self._queue.retrying(100)).items():
            more |= await self._queue.retry_step(batch_id, STEP, once_more(window, self._clock.now()))
        return more

    async def stop(self) -> None:
        """Nothing is held."""
