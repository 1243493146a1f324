"""Writes the events of background streams while their calls run here. Decision 0039.

Wakes on: events of a call. Writes: `response_events`, and notices of it. Events gather for `GATHER` seconds, then those
of all calls are committed in one statement; what comes in meanwhile goes with the next one. Nobody is shown an event
before it is committed. A call of which too much waits is not read any further until it is committed. If the database
is away, events wait and are tried again with a growing delay. If the process dies, events that are not committed are
lost, with the call's end, which comes after them: if something of it was committed it ends as failed, else it runs
again. Events of a call that this process has lost to another one are not written (`requests/events/store.py`), and its
run here is ended. May be lost: nothing that anybody was shown.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from uuid import UUID

import asyncpg

from dwctl.core.services import run_within
from dwctl.db.postgres import reason_of
from dwctl.engine.errand import tier_of
from dwctl.engine.responses.event_counts import EventCounts
from dwctl.engine.responses.logged_call import LoggedCall
from dwctl.requests.events.store import EventStore, Piece
from dwctl.requests.queue.structs import Claimed, Lane
from dwctl.requests.store import StoredRequest
from dwctl.requests.writer import AWAY

logger = logging.getLogger(__name__)

GATHER = 0.05
"""Seconds in which the events of all calls gather for one commit."""
MOST_BYTES = 8 * 1024 * 1024
"""Of one commit, and what one call has besides."""
APPEND_WITHIN = 60.0
"""Seconds after which the database counts as hanging."""
LAST_WITHIN = 6.0
RETRY_FIRST = 0.1
RETRY_MOST = 5.0
_AWAY = (*AWAY, asyncpg.PostgresError)


def _nobody(_: object) -> None:
    """Nobody wants to know."""


class EventLog:
    """The service, and the `Log` of its calls."""

    name = "event-log"

    def __init__(self, store: EventStore, holder: UUID, counts: EventCounts, *, most: int) -> None:
        self.most = most
        self.counts = counts
        self.on_committed: Callable[[Piece], None] = _nobody
        """Called with each piece that is committed: whoever reads it here need not ask the database."""
        self.on_lost: Callable[[Iterable[UUID]], None] = _nobody
        """Called with calls that are no longer this process's; set by the worker."""
        self._store = store
        self._holder = holder
        self._waiting: deque[LoggedCall] = deque()
        """Calls with something to commit, each once."""
        self._queued: set[LoggedCall] = set()
        self._flying: list[LoggedCall] = []
        self._pieces: list[Piece] = []
        self._ending: dict[UUID, LoggedCall] = {}
        self._some = asyncio.Event()
        self._hurry = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def open(self, lane: Lane, claimed: Claimed) -> LoggedCall:
        """The log of a call that is about to be run."""
        known = {"model": lane.model, "background": True, "service_tier": tier_of(lane)}
        if claimed.created_at is not None:
            known["created_at"] = int(claimed.created_at.timestamp())
        return LoggedCall(self, claimed.id, claimed.attempt, known)

    def gathered(self, call: LoggedCall) -> None:
        """There is one event more of a call."""
        self.counts.events += 1
        if call not in self._queued:
            self._queued.add(call)
            self._waiting.append(call)
            self._idle.clear()
            self._some.set()

    def hurry(self) -> None:
        """A call waits for the next commit: let it come at once."""
        self._hurry.set()

    def filled(self) -> None:
        """The log of a call has become too large."""
        self.counts.full += 1

    def end(self, call: LoggedCall, row: StoredRequest | None, then: Callable[[], None]) -> None:
        """The call has ended: do `then` once all of its events are committed.

        `row` is the call as it will be, when it has completed; events are made of it when there have been none.
        """
        if row is not None and not call.some:
            call.unfold(row)
        call.over = True
        if not call.waiting:
            then()
            return
        call.then = then
        self._ending[call.id] = call

    def holds(self, request_id: UUID) -> int | None:
        """The attempt that has ended here and waits for its events to be committed; None when none does."""
        call = self._ending.get(request_id)
        return None if call is None else call.attempt

    async def flush(self, within: float) -> bool:
        """Wait until everything is committed, at most so many seconds; whether it is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._idle.wait()
        return self._idle.is_set()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Commit until cancelled."""
        delay = RETRY_FIRST
        while True:
            await self._some.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER):
                    await self._hurry.wait()
            try:
                await self._drain()
                delay = RETRY_FIRST
            except _AWAY as error:
                self.counts.errors += 1
                self._some.set()
                logger.warning(
                    "events wait for the database: %s; next try in %.1f s", reason_of(error), delay
                )
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_MOST)

    async def stop(self) -> None:
        """Commit what is left; calls of which that cannot be done in time are for others to end."""
        try:
            await run_within(self._drain_all(), LAST_WITHIN, name="last events")
        except _AWAY as error:
            logger.warning("events of %d calls are lost: %s", len(self._queued), reason_of(error))

    async def _drain_all(self) -> None:
        while self._queued or self._pieces:
            await self._drain()

    async def _drain(self) -> None:
        """Commit what has gathered by now, and once more what did not fit."""
        self._some.clear()
        self._hurry.clear()
        while self._take():
            began = asyncio.get_running_loop().time()
            async with asyncio.timeout(APPEND_WITHIN):
                held = await self._store.append(self._holder, self._pieces)
            self.counts.commits.add(asyncio.get_running_loop().time() - began)
            pieces, self._pieces = self._pieces, []
            calls, self._flying = self._flying, []
            for piece in pieces:
                if piece.id in held:
                    self.counts.bytes += len(piece.events)
                    self.on_committed(piece)
            self._settle(calls, held)
            if not self._queued or self._some.is_set():
                # What came in meanwhile gathers anew.
                break
        if not self._queued and not self._pieces:
            self._idle.set()

    def _take(self) -> bool:
        """What is committed next; what could not be committed comes again as it was."""
        if self._pieces:
            return True
        size = 0
        while self._waiting and size < MOST_BYTES:
            call = self._waiting.popleft()
            self._queued.discard(call)
            pieces = call.take()
            if pieces:
                self._flying.append(call)
                self._pieces += pieces
                size += call.flying
        if self._waiting:
            self._some.set()
        return bool(self._pieces)

    def _settle(self, calls: list[LoggedCall], held: set[UUID]) -> None:
        lost = []
        for call in calls:
            call.committed()
            if call.id not in held:
                call.drop()
                lost.append(call.id)
            if call.then is not None and not call.waiting:
                then, call.then = call.then, None
                self._ending.pop(call.id, None)
                then()
        if lost:
            self.counts.lost += len(lost)
            logger.warning("%d calls are not this process's any more", len(lost))
            self.on_lost(lost)
