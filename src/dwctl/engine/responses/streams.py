"""The event log of a response as its readers get it: what was kept behind a number, then what comes, to the end."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar
from uuid import UUID

import asyncpg
import msgspec

from dwctl.db.postgres import reason_of
from dwctl.engine.responses.followers import Follower, Followers, Found
from dwctl.requests.events.chunks import chunked
from dwctl.requests.events.numbering import FIRST
from dwctl.requests.events.store import EventStore
from dwctl.requests.events.unfolding import DONE, closing, opening, unfolded
from dwctl.requests.reassemble import object_of
from dwctl.requests.record import State
from dwctl.requests.store import RequestStore, StoredRequest
from dwctl.requests.writer import AWAY
from dwctl.wire.errors import Problem
from dwctl.wire.sse import events

logger = logging.getLogger(__name__)

T = TypeVar("T")

KEEP_ALIVE = b": keep-alive\n\n"
NEVER = 365 * 86_400.0
LOOK_AGAIN = 1.0
"""Seconds until a database that was away is asked again."""
BEFORE = -1
"""Behind this number comes everything."""


class EventStreams:
    """Streams of any number of readers."""

    def __init__(
        self,
        requests: RequestStore,
        store: EventStore,
        followers: Followers,
        *,
        keep_alive: float,
        reading: asyncio.Semaphore,
    ) -> None:
        self._requests = requests
        self._store = store
        self._followers = followers
        self._reading = reading
        self.keep_alive = keep_alive or NEVER
        """Seconds of silence after which a comment says that the connection is alive."""

    async def events(
        self, row: StoredRequest, after: int, *, unstored: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """Whole events behind the number `after`, and comments while none come; ends with `[DONE]`.

        Whoever takes them slowly holds up nobody, and holds no more than one look gives. A response that is deleted
        meanwhile ends without its last event.
        """
        first = opening(row, after)
        if first:
            yield first
        with self._followers.following(row.id, max(after, FIRST - 1)) as follower:
            last = follower.after
            while True:
                found = await self._next(follower)
                if found is None:
                    yield KEEP_ALIVE
                    continue
                if not found:
                    break
                yield joined(found, last)
                last = found[-1][1]
        # What had ended when it was asked for is read once.
        ended = row if row.state >= State.FAILED else await self.read(row.id, unstored=unstored)
        if ended is None:
            return
        if not is_logged(ended) and ended.state == State.COMPLETED:
            made = unfolded(ended, FIRST)
            last += len(made)
            yield b"".join(made)
        elif FIRST <= last == after:
            # It has been given nothing: perhaps it asked for more than there is.
            known = await self._asked(self._store.last, row.id)
            last = FIRST - 1 if known is None else known
        yield closing(ended, last + 1) + DONE if last + 1 > after else DONE

    async def chunks(
        self, row: StoredRequest, *, usage: bool, unstored: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """A chat's answer as chunks once it is there, and comments until then."""
        with self._followers.following(row.id, FIRST - 1) as follower:
            while await self._next(follower) is None:
                yield KEEP_ALIVE
        ended = await self.read(row.id, unstored=unstored)
        if ended is None:
            return
        if ended.state != State.COMPLETED:
            yield b"data: %b\n\n" % _error(ended)
            return
        yield chunked(ended.response or b"", f"resp_{ended.id}", usage=usage) + DONE

    async def read(self, request_id: UUID, *, unstored: bool = False) -> StoredRequest | None:
        """The call's row; a database that is away is waited for. `unstored`: be it kept for its client alone."""
        return await self._asked(partial(self._requests.get, unstored=unstored), request_id)

    async def _asked(self, ask: Callable[[UUID], Awaitable[T]], request_id: UUID) -> T:
        while True:
            try:
                async with self._reading:
                    return await ask(request_id)
            except (*AWAY, asyncpg.PostgresError) as error:
                logger.warning("resp_%s cannot be read: %s", request_id, reason_of(error))
                await asyncio.sleep(LOOK_AGAIN)

    async def _next(self, follower: Follower) -> list[Found] | None:
        """What comes next; None when nothing has come for a while."""
        try:
            async with asyncio.timeout(self.keep_alive):
                return await follower.next()
        except TimeoutError:
            return None


def is_logged(row: StoredRequest) -> bool:
    """Whether the events of a call are kept while it runs."""
    return row.stream and row.background


def _error(row: StoredRequest) -> bytes:
    """What a call failed of: the model server's words, or ours; on one line."""
    said = object_of(row.response or b"")
    if said is not None and isinstance(said.get("error"), dict):
        return msgspec.json.encode({"error": said["error"]})
    text = row.error_message or "The call failed."
    status = row.status_code or 500
    return Problem(status=status, message=text, type="server_error", code=row.error_code).body()


def joined(found: Iterable[Found], after: int) -> bytes:
    """The events of pieces in a row, without those up to the number `after`."""
    return b"".join(data if first > after else _behind(data, after - first + 1) for first, _, data in found)


def _behind(data: bytes, count: int) -> bytes:
    """Without the first so many events."""
    return b"".join(each for number, each in enumerate(events(data)) if number >= count)
