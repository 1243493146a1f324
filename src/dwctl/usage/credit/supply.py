"""Keeps the pockets of a process filled: reports, grants and returns of all accounts in one transaction.

Wakes on: a call that waits, credit to be given back, a recall (a notice of `credit`), and a few times a second while
there are pockets. Writes: `credit_leases`. If the database is away, what is leased may be spent until its time is over,
and calls that wait get 503. If the process dies, its leases stay as they are until its spool has been replayed, which
ends them. May be lost: nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import asyncpg

from dwctl.core.services import run_within
from dwctl.db.postgres import UNREACHABLE, reason_of
from dwctl.usage.credit.book import PocketBook
from dwctl.usage.credit.leases import Report
from dwctl.usage.credit.store import LeaseStore

logger = logging.getLogger(__name__)

CHANNEL = "credit"
LOOK_EVERY = 0.1
"""Seconds between two looks at pockets of which nobody has said anything."""
ASK_EVERY = 0.02
"""Seconds between two reports; what comes in between goes with the next one."""
ANSWER_WITHIN = 5.0
"""Seconds after which the database counts as hanging."""
RETRY_FIRST = 0.1
RETRY_MOST = 2.0
PURGE_EVERY = 600.0
LAST_WITHIN = 3.0
AWAY = (
    *UNREACHABLE,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    TimeoutError,
)


class CreditSupply:
    """The service. Subscribe it to the listener under `CHANNEL`."""

    name = "credit"

    def __init__(
        self, *, book: PocketBook, store: LeaseStore, noted: Callable[[], int], done: Callable[[], int]
    ) -> None:
        self._book = book
        self._store = store
        self._noted = noted
        self._done = done
        self._wake = asyncio.Event()
        self._purge_at = book.now() + PURGE_EVERY
        self._asked_at = self._look_at = 0.0

    def on_connected(self) -> None:
        """Recalls may have been missed: the next reports are answered with them."""

    def on_notice(self, payload: str) -> None:
        """Somebody lacks credit of an account."""
        self._book.recall(payload)

    async def start(self) -> None:
        """Be told what is due from now on."""
        self._book.on_due = self._wake.set

    async def run(self) -> None:
        """Report until cancelled."""
        delay = 0.0
        while True:
            await self._pause(delay)
            try:
                await self._exchange(self._book.reports(self._noted(), self._done()), ANSWER_WITHIN)
                await self._purge()
            except AWAY as error:
                delay = min(max(delay * 2, RETRY_FIRST), RETRY_MOST)
                logger.warning("no credit can be had: %s; next try in %.1f s", reason_of(error), delay)
            else:
                delay = 0.0

    async def stop(self) -> None:
        """Give everything back; calls have ended, and the writer has committed what it could."""
        try:
            reports = self._book.last_reports(self._noted(), self._done())
            await self._exchange(reports, LAST_WITHIN)
        except AWAY as error:
            logger.warning("credit is given back by the next start only: %s", reason_of(error))

    async def _pause(self, delay: float) -> None:
        """Until something is due; after a failure for so long."""
        if delay:
            await asyncio.sleep(delay)
        elif not self._book.has_due:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY if self._book.pockets else None):
                    await self._wake.wait()
        early = self._asked_at + ASK_EVERY - self._book.now()
        if early > 0:
            await asyncio.sleep(early)
        self._asked_at = now = self._book.now()
        self._wake.clear()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            self._book.look_on()

    async def _exchange(self, reports: dict[str, Report], within: float) -> None:
        if reports:
            sent_at = self._book.now()
            grants = await run_within(self._store.exchange(reports), within, name="credit exchange")
            self._book.granted(grants, sent_at)

    async def _purge(self) -> None:
        if self._book.now() >= self._purge_at:
            self._purge_at = self._book.now() + PURGE_EVERY
            await self._store.purge()
