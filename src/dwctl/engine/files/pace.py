"""How fast uploads go: as fast as they can, unless clients wait for answers that come late because of it.

An upload keeps a processor busy, the gateway's process with moving it, PostgreSQL's with storing it. Where processors
are few, whoever waits for an answer then waits for a processor too: Linux lets a task run on until its tick, four
milliseconds say, whatever wakes meanwhile and whatever its priority (only real-time tasks go before). So the way to
leave room is to ask for less.

While uploads are under way, the event loop's own lateness is looked at: a short sleep that ends late is what an answer
would have waited. If more than `RARELY` of the sleeps of a quarter of a second ended late and interactive calls have
been under way lately, the uploads of this process are slowed down together, to three quarters of what they had at the
time, never below `limits.files.least_rate`; while sleeps end in time they gain a sixth each quarter of a second, and
all of it once nobody waits. The first upload after none begins at the least rate, for what it does to others shows only
then: that costs it a quarter of a second where nobody waits.

If the process dies there is nothing to undo.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dwctl.core.services import end_task, start_task

LOOK = 0.005
"""Seconds between two looks."""
LOOKS = 50
"""Looks after which the rate is judged."""
LATE = 0.001
"""Seconds behind its time from which a look is late."""
RARELY = 0.01
"""Share of looks that may be late: less than one of `LOOKS`."""
CALM = 2.0
"""Seconds without interactive calls after which uploads need not yield."""
LESS, MORE = 0.75, 7 / 6
BURST = 0.005
"""Seconds of their rate that uploads may be behind, and make good at once."""


def next_rate(rate: float | None, least: float, late: float, had: float) -> float | None:
    """Bytes a second after a quarter of one in which so many were `had` and this share of looks was `late`.

    None: as many as there are.
    """
    if late > RARELY:
        return max(least, (had if rate is None else min(rate, had)) * LESS)
    return None if rate is None else rate * MORE


class Pace:
    """One for all uploads of a process."""

    def __init__(self, least: int) -> None:
        self.interactive: Callable[[], int] = lambda: 0
        """How many calls are under way for which somebody waits; given by the composition root."""
        self.rate: float | None = None
        """Bytes a second of all uploads together; None: as they can."""
        self._least = least
        self._uploads = 0
        self._watch: asyncio.Task[None] | None = None
        self._taken = 0
        self._due = 0.0
        """When what was taken so far is through, at the rate."""

    @asynccontextmanager
    async def upload(self) -> AsyncIterator[None]:
        """While one is under way."""
        self._uploads += 1
        if self._watch is None and self._least:
            self.rate = float(self._least)
            self._watch = start_task(self._look_on(), name="upload pace")
        try:
            yield
        finally:
            self._uploads -= 1
            watch = self._watch
            if watch is not None and not self._uploads:
                self._watch = None
                self.rate = None
                await end_task(watch)

    async def take(self, size: int) -> None:
        """Wait until so many more bytes may be taken."""
        self._taken += size
        if self.rate is None:
            return
        now = time.monotonic()
        self._due = max(self._due, now - BURST) + size / self.rate
        if self._due > now:
            await asyncio.sleep(self._due - now)

    async def _look_on(self) -> None:
        judged = time.monotonic()
        seen = judged - CALM
        late = looks = 0
        while True:
            due = time.monotonic() + LOOK
            await asyncio.sleep(LOOK)
            now = time.monotonic()
            late += now - due > LATE
            looks += 1
            if self.interactive():
                seen = now
            if looks == LOOKS:
                had = self._taken / (now - judged)
                calm = now - seen > CALM
                self.rate = None if calm else next_rate(self.rate, self._least, late / looks, had)
                self._taken = late = looks = 0
                judged = now
