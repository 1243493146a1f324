"""How many uploads one process takes at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dwctl.core.errors import TooManyRequests

RETRY_AFTER = 60.0


class Slots:
    """So many at once, so many waiting in turn, and those for so long; 0 at once is no limit."""

    def __init__(self, at_once: int, waiting: int, wait_secs: float) -> None:
        self._free = asyncio.Semaphore(at_once) if at_once else None
        self._may_wait = waiting
        self._wait_secs = wait_secs
        self.waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one; raises `TooManyRequests` when there is none in time."""
        free = self._free
        if free is None:
            yield
            return
        await self._take(free)
        try:
            yield
        finally:
            free.release()

    async def _take(self, free: asyncio.Semaphore) -> None:
        if free.locked():
            if self.waiting >= self._may_wait:
                raise TooManyRequests("Too many uploads are under way; try again later.", RETRY_AFTER)
            self.waiting += 1
            try:
                async with asyncio.timeout(self._wait_secs):
                    await free.acquire()
            except TimeoutError as error:
                text = "Too many uploads are under way, and none has ended in time; try again later."
                raise TooManyRequests(text, RETRY_AFTER) from error
            finally:
                self.waiting -= 1
        else:
            await free.acquire()
