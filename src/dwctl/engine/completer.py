"""Writes what came of attempts, many in one transaction, one transaction at a time.

Wakes on: an outcome. Writes: `requests`, `queue`, `contents`, `lanes`, `batches`, `attempts`, `ledger_entries` and
`accounts` (requests/queue/store.py). What comes in while a transaction is under way goes with the next one, so that the
busier it is the more one commit carries. If the database is away, outcomes are kept and tried again with a growing
delay, and nothing new is claimed in the meantime. If the process dies, outcomes that are not committed are lost: their
requests are still held by it, and run again. What the database refuses is found by halving, and ends as failed;
what cannot even end so is put off, to its next attempt.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from dwctl.core.services import run_within
from dwctl.db.postgres import reason_of
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import Settled, Settlement
from dwctl.requests.record import Record, State
from dwctl.requests.writer import AWAY

logger = logging.getLogger(__name__)

MOST = 1000
"""Outcomes in one transaction."""
MOST_BYTES = 16 * 1024 * 1024
"""Of their answers."""
BEHIND = 4 * MOST
"""With so many outcomes waiting nothing new is claimed."""
SETTLE_WITHIN = 120.0
"""Seconds after which the database counts as hanging."""
RETRY_FIRST = 0.1
RETRY_MOST = 5.0
LAST_WITHIN = 6.0
PUT_OFF = 600
"""Seconds until a request is run again whose outcome the database does not take in any form."""
_REFUSALS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, ValueError)
"""Says something about outcomes: the server's classes 22 and 23, and what the driver cannot send."""
_AWAY = (*AWAY, asyncpg.PostgresError)
"""All else may go better the next time: also a deadlock, a full disk, a server that only reads."""
_TEXTS = ("error_code", "error_message", "response_model", "finish_reason", "target_model")
_COUNTS = (
    "prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens", "total_tokens", "cache_write_tokens",
    "audio_seconds", "cost",
)  # fmt: skip
_KNOWN = (
    "id", "created_at", "path", "model", "owner_id", "creator_id", "key_id", "daemon_id", "attempt", "stream",
    "background", "service_tier", "purpose", "origin", "request_size", "stored", "batch_id",
)  # fmt: skip
"""Of a record what was there before the attempt."""
_FAILURE: dict[str, Any] = {
    "state": int(State.FAILED),
    "status_code": 500,
    "error_code": "internal_error",
    "error_message": "The answer could not be stored.",
}


def _nobody(_: object = None) -> None:
    """Nobody wants to know."""


class Completer:
    """The service."""

    name = "completer"

    def __init__(self, store: QueueStore, holder: UUID) -> None:
        self._store = store
        self._holder = holder
        self._waiting: deque[Settled] = deque()
        self._flying: list[Settled] = []
        self._attempts: dict[str, int] = {}
        """Of each request whose outcome is not committed yet, the attempt that it is of."""
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._failing = False
        self.noted = 0
        """Outcomes since the start."""
        self.done = 0
        """So many of them, in the order in which they came, are committed."""
        self.lost = 0
        """Outcomes that came when the request was somebody else's."""
        self.on_room: Callable[[], None] = _nobody
        """Called after each transaction; set by the worker."""
        self.on_settled: Callable[[Settlement], None] = _nobody
        """Called with what each transaction did."""

    @property
    def has_room(self) -> bool:
        """Whether more may be claimed."""
        return not self._failing and len(self._attempts) < BEHIND

    def holds(self, request_id: UUID) -> int | None:
        """The attempt whose outcome is not committed yet; None when there is none."""
        return self._attempts.get(str(request_id))

    def put(self, outcome: Settled) -> None:
        """An attempt has ended."""
        self._waiting.append(outcome)
        self._attempts[outcome.record.id] = outcome.record.attempt
        self.noted += 1
        self._idle.clear()
        self._some.set()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Commit until cancelled."""
        delay = RETRY_FIRST
        while True:
            await self._some.wait()
            try:
                await self._drain()
                delay = RETRY_FIRST
            except _AWAY as error:
                self._failing = True
                logger.warning(
                    "outcomes wait for the database: %s; next try in %.1f s", reason_of(error), delay
                )
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_MOST)

    async def stop(self) -> None:
        """Commit what is left; what cannot be committed in time runs again."""
        try:
            await run_within(self._drain(), LAST_WITHIN, name="last outcomes")
        except _AWAY as error:
            logger.warning(
                "%d outcomes are lost; their requests run again: %s", len(self._attempts), reason_of(error)
            )

    async def flush(self, within: float) -> bool:
        """Wait until every outcome is committed, at most so many seconds; whether it is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._idle.wait()
        return self._idle.is_set()

    async def _drain(self) -> None:
        while True:
            batch = self._flying = self._flying or self._take()
            if not batch:
                self._some.clear()
                self._idle.set()
                return
            await self._settle(batch)
            self._flying = []
            self._failing = False
            self.done += len(batch)
            for outcome in batch:
                if self._attempts.get(outcome.record.id) == outcome.record.attempt:
                    del self._attempts[outcome.record.id]
            self.on_room()

    def _take(self) -> list[Settled]:
        batch: list[Settled] = []
        size = 0
        while self._waiting and len(batch) < MOST and size < MOST_BYTES:
            outcome = self._waiting.popleft()
            size += len(outcome.body or b"")
            batch.append(outcome)
        return batch

    async def _settle(self, batch: list[Settled]) -> None:
        try:
            async with asyncio.timeout(SETTLE_WITHIN):
                done = await self._store.settle(self._holder, batch)
            self.lost += len(batch) - len(done.accepted)
            self.on_settled(done)
        except _REFUSALS as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._settle(batch[:middle])
                await self._settle(batch[middle:])
            else:
                await self._refused(batch[0], error)

    async def _refused(self, outcome: Settled, error: Exception) -> None:
        """The database does not take it as it is: it is taken without odd letters, or else as failed.

        As failed first with all that is known of the attempt, then with what was known before it. Where even that is
        refused, no value of the outcome is to blame, and it is put off: nothing is held by a process that has given up.
        """
        record = outcome.record
        logger.error("the outcome of request %s was refused: %s", record.id, error)
        plain = msgspec.structs.replace(record, **_readable(record))
        bare = msgspec.structs.replace(plain, **_FAILURE, **dict.fromkeys(_COUNTS))
        for last in (
            msgspec.structs.replace(outcome, record=plain),
            Settled(record=bare, verdict=int(State.FAILED), size=outcome.size),
            Settled(record=_least(record), verdict=int(State.FAILED)),
        ):
            try:
                self.on_settled(await self._store.settle(self._holder, [last]))
            except _REFUSALS as again:
                logger.error("and so it was once more: %s", again)
            else:
                return
        logger.error("request %s is put off and runs again in %d s", record.id, PUT_OFF)
        await self._store.put_off(self._holder, UUID(record.id), record.attempt, PUT_OFF)


def _least(record: Record) -> Record:
    """A failure, and nothing that came of the attempt."""
    known = {name: getattr(record, name) for name in _KNOWN}
    return Record(**known, **_FAILURE, completed_at=record.created_at)


def _readable(record: Record) -> dict[str, str]:
    """The texts of a record without the one character that PostgreSQL cannot store."""
    found = {name: getattr(record, name) for name in _TEXTS}
    return {name: text.replace("\0", "") for name, text in found.items() if text}
