"""Who reads event logs in this process: looks for all of them together, and hands each what is new. Decision 0039.

Wakes on: a reader that has sent what it had, notices of logs that have grown and of calls that have ended, a reconnect,
and for every reader each `LOOK_EVERY` seconds. Writes: nothing. Readers are served in one statement, however many there
are; each holds at most what one look gives it, and is looked for again when it has sent that. What this process itself
commits goes to readers that have everything before it without a look. If the process dies, clients come back with the
number of the last event they have, to any process. May be lost: nothing.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

import asyncpg

from dwctl.db.postgres import reason_of
from dwctl.engine.responses.event_counts import EventCounts
from dwctl.requests.events.store import EventStore, Piece, Standing
from dwctl.requests.record import State
from dwctl.requests.writer import AWAY

logger = logging.getLogger(__name__)

LOOK_EVERY = 5.0
"""Seconds after which a log is looked at without a notice."""
GATHER = 0.01
"""Seconds between two looks, in which readers gather."""
AT_ONCE = 200
"""Readers in one statement."""
PIECES = 8
"""That one look gives to a reader."""
READ_WITHIN = 30.0
RETRY_FIRST = 0.1
RETRY_MOST = 5.0

Found = tuple[int, int, bytes]
"""Number of the first event, of the last one, and the events."""


class Follower:
    """One reader of one log."""

    __slots__ = ("_followers", "_ready", "after", "asking", "found", "gone", "hungry", "id", "more", "over")

    def __init__(self, followers: "Followers", request_id: UUID, after: int) -> None:
        self.id = request_id
        self.after = after
        """The number of the last event that it has been given."""
        self.hungry = False
        """Whether it has sent all that it was given."""
        self.asking = False
        """Whether a look for it is under way."""
        self.more = True
        """Whether there may be something new since the last look."""
        self.found: list[Found] = []
        self.over = False
        """Whether its call has ended, or is gone, and it has been given everything."""
        self.gone = False
        """Whether it reads no more."""
        self._followers = followers
        self._ready = asyncio.Event()

    async def next(self) -> list[Found]:
        """What comes next; nothing when the call has ended."""
        if not self.found and not self.over:
            self.hungry = True
            if self.more:
                self._followers.ask(self)
            await self._ready.wait()
        self._ready.clear()
        found, self.found = self.found, []
        return found

    def give(self, found: list[Found]) -> None:
        """It goes on with these."""
        self.found = found
        self.after = found[-1][1]
        self.hungry = False
        self._ready.set()

    def end(self) -> None:
        """There is no more."""
        self.over = True
        self.hungry = False
        self._ready.set()


class _Ends:
    """Subscriber of the notices of calls that have ended."""

    def __init__(self, followers: "Followers") -> None:
        self._followers = followers

    def on_connected(self) -> None:
        """The followers are told themselves."""

    def on_notice(self, payload: str) -> None:
        """A call has ended."""
        with suppress(ValueError):
            self._followers.look_at(UUID(payload))


class Followers:
    """The service, and a subscriber of the notices of logs that have grown."""

    name = "followers"

    def __init__(self, store: EventStore, counts: EventCounts, process: UUID) -> None:
        self.ends = _Ends(self)
        self._store = store
        self._counts = counts
        self._process = process.hex
        self._by_id: dict[UUID, set[Follower]] = {}
        self._due: dict[Follower, None] = {}
        self._some = asyncio.Event()
        self._count = 0
        counts.readers = lambda: self._count

    @contextmanager
    def following(self, request_id: UUID, after: int) -> Iterator[Follower]:
        """A reader of what comes behind the number `after`, while the block runs."""
        follower = Follower(self, request_id, after)
        self._by_id.setdefault(request_id, set()).add(follower)
        self._count += 1
        try:
            yield follower
        finally:
            follower.gone = True
            self._count -= 1
            self._due.pop(follower, None)
            others = self._by_id[request_id]
            others.discard(follower)
            if not others:
                del self._by_id[request_id]

    def ask(self, follower: Follower) -> None:
        """Look for it soon."""
        if not follower.asking and not follower.gone:
            self._due[follower] = None
            self._some.set()

    def look_at(self, request_id: UUID) -> None:
        """There may be something new of a call."""
        for follower in self._by_id.get(request_id, ()):
            self._stir(follower)

    def on_committed(self, piece: Piece) -> None:
        """This process has committed a piece."""
        for follower in self._by_id.get(piece.id, ()):
            if follower.hungry and follower.after + 1 == piece.first:
                self._due.pop(follower, None)
                follower.give([(piece.first, piece.last, piece.events)])
            else:
                self._stir(follower)

    def on_connected(self) -> None:
        """Notices may have been missed."""
        self._look_at_all()

    def on_notice(self, payload: str) -> None:
        """A process has written events; of what this one has written `on_committed` tells."""
        writer, *names = payload.split(" ")
        if writer == self._process:
            return
        for name in names:
            with suppress(ValueError):
                self.look_at(UUID(hex=name))

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Look until cancelled."""
        delay = RETRY_FIRST
        loop = asyncio.get_running_loop()
        unasked = loop.time() + LOOK_EVERY
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(unasked):
                    await self._some.wait()
            if loop.time() >= unasked:
                self._look_at_all()
                unasked = loop.time() + LOOK_EVERY
            self._some.clear()
            if not self._due:
                continue
            try:
                await self._look()
                delay = RETRY_FIRST
                await asyncio.sleep(GATHER)
            except (*AWAY, asyncpg.PostgresError) as error:
                self._counts.errors += 1
                logger.warning("event logs cannot be read: %s; next try in %.1f s", reason_of(error), delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_MOST)

    async def stop(self) -> None:
        """Nothing to flush."""

    def _stir(self, follower: Follower) -> None:
        follower.more = True
        if follower.hungry:
            self.ask(follower)

    def _look_at_all(self) -> None:
        for followers in self._by_id.values():
            for follower in followers:
                self._stir(follower)

    async def _look(self) -> None:
        """Once for those that are due, the first ones if there are too many."""
        asked = list(self._due)[:AT_ONCE]
        places = []
        for follower in asked:
            del self._due[follower]
            follower.asking, follower.more = True, False
            places.append((follower.id, follower.after))
        try:
            async with asyncio.timeout(READ_WITHIN):
                standings = await self._store.read(places, PIECES)
        except BaseException:
            for follower in asked:
                follower.asking = False
                self._stir(follower)
            raise
        for follower, (_, after), standing in zip(asked, places, standings, strict=True):
            follower.asking = False
            self._take(follower, after, standing)
        if self._due:
            self._some.set()

    def _take(self, follower: Follower, after: int, standing: Standing) -> None:
        if not follower.hungry or follower.after != after:
            # It was given something meanwhile.
            self._stir(follower)
            return
        ended = standing.state is None or standing.state >= State.FAILED
        if standing.pieces:
            follower.more = follower.more or ended or len(standing.pieces) == PIECES
            follower.give(standing.pieces)
        elif ended:
            follower.end()
        elif follower.more:
            self.ask(follower)
