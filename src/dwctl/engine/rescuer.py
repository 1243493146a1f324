"""Frees what dead processes held, so that it runs again in its next attempt.

Wakes on: the start, word that a dead process of this installation has been taken over (requests/replay.py), and every
third of the time after which a silent process counts as dead. Writes: `queue`, `requests`, `attempts`. If the process
dies, any other one frees the rest. May be lost: nothing.

Dead is who has stopped or has no row any more, and who was silent for too long. While the database was away all were,
so nobody is judged by silence before this process has been in contact for that long itself.
"""

import logging
from uuid import UUID

from dwctl.core.clock import Clock
from dwctl.engine.counts import WorkerCounts
from dwctl.engine.waking import Waking
from dwctl.requests.queue.store import QueueStore

logger = logging.getLogger(__name__)

NEVER = 10 * 365 * 86_400.0
"""Seconds: nobody was silent for so long."""


class Rescuer:
    """The service."""

    name = "rescuer"

    def __init__(
        self, store: QueueStore, holder: UUID, clock: Clock, counts: WorkerCounts, *, silent: float, step: int
    ) -> None:
        self._store = store
        self._holder = holder
        self._clock = clock
        self._counts = counts
        self._silent = silent
        self._step = step
        self._waking = Waking()
        self._in_contact_since: float | None = None

    def look(self) -> None:
        """A process has just been found dead."""
        self._waking.look()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Look until cancelled."""
        every = max(1.0, self._silent / 3)
        await self._waking.keep(self.rescue, every, "what dead processes held waits", self._lost_contact)

    async def stop(self) -> None:
        """Nothing to flush."""

    def _lost_contact(self) -> None:
        self._in_contact_since = None

    async def rescue(self) -> None:
        """Free what is held by processes that are dead now."""
        now = self._clock.monotonic()
        since = self._in_contact_since
        judges = since is not None and now - since >= self._silent
        dead = await self._store.dead_holders(self._silent if judges else NEVER)
        if since is None:
            self._in_contact_since = now
        for holder in dead:
            if holder == self._holder:
                continue
            freed = 0
            while step := await self._store.rescue(holder, self._step):
                freed += step
            if freed:
                self._counts.reclaimed += freed
                logger.warning("%d requests that process %s held run again", freed, holder)
        self._counts.rescues.add(self._clock.monotonic() - now)
