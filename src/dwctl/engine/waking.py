"""What services share that look after the queue: they look when a notice tells them to, and now and then unasked."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg

from dwctl.db.postgres import reason_of
from dwctl.requests.writer import AWAY

logger = logging.getLogger(__name__)

RETRY_FIRST = 0.5
RETRY_MOST = 5.0


def _nothing() -> None:
    """Nothing else is to be done."""


class Waking:
    """A subscriber whose notices are reasons to look. Their payload says nothing that a look does not find."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def on_connected(self) -> None:
        """Notices may have been missed."""
        self._event.set()

    def on_notice(self, payload: str) -> None:
        """Something may be to be done."""
        del payload
        self._event.set()

    def look(self) -> None:
        """Look now."""
        self._event.set()

    async def keep(
        self,
        look: Callable[[], Awaitable[object]],
        every: float,
        waits: str,
        on_away: Callable[[], None] = _nothing,
    ) -> None:
        """Look at once, after each notice, and at the latest every so many seconds, until cancelled.

        While the database is away looks come back with a growing delay; `waits` says what waits meanwhile.
        """
        delay = 0.0
        while True:
            self._event.clear()
            try:
                await look()
            except (*AWAY, asyncpg.PostgresError) as error:
                on_away()
                delay = min(max(delay * 2, RETRY_FIRST), RETRY_MOST)
                logger.warning("%s: %s; next try in %.1f s", waits, reason_of(error), delay)
                await asyncio.sleep(delay)
                continue
            delay = 0.0
            with suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._event.wait()
