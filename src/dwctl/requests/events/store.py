"""Event logs in PostgreSQL: pieces of whole events, appended by whoever holds the call, read by anybody.

Who may append is decided by the queue: the holder of the call, in the attempt in which it holds it. A call is taken
away from a dead process behind a fence, an advisory lock on that process that appending shares: so whoever takes it
sees everything that was shown of it, and nothing is appended afterwards. An append is one transaction, on disk when it
returns; if the process dies in the middle nothing of it happened, and repeating it changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries

CHANNEL = "dwctl_events"
"""Notices: the payload is the process that has written, then the calls whose logs have grown, in hexadecimal."""
NAMED_AT_ONCE = 200
"""Calls in one notice, whose payload has 8000 bytes at most."""
NOTHING = UUID(int=0)


class Piece(msgspec.Struct, frozen=True, gc=False):
    """Some events of a log, one after the other."""

    id: UUID
    attempt: int
    first: int
    """The number of its first event."""
    last: int
    events: bytes
    """As they go out: each with its name, its data on one line, and an empty line."""


class Standing(msgspec.Struct):
    """What was found of a log behind a number."""

    state: int | None = None
    """Of its call; None when that is not there."""
    pieces: list[tuple[int, int, bytes]] = msgspec.field(default_factory=list)
    """Number of the first event, of the last one, and the events."""


class Written(msgspec.Struct, frozen=True):
    """A piece for whoever looks into a call."""

    last: int
    """The number of its last event."""
    events: bytes
    at: datetime | None
    """When it was written: shown to nobody before. None of what an earlier version wrote."""


class EventStore:
    """All logs of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)
        self._walked = NOTHING

    async def append(self, holder: UUID, pieces: Sequence[Piece]) -> set[UUID]:
        """Add pieces to the logs of calls that this process holds; gives the calls that it does hold."""
        async with self._database.transaction() as connection:
            await connection.execute(self._sql["share_fence"], holder)
            rows = await connection.fetch(
                self._sql["append_events"],
                holder,
                [piece.id for piece in pieces],
                [piece.attempt for piece in pieces],
                [piece.first for piece in pieces],
                [piece.last for piece in pieces],
                [piece.events for piece in pieces],
            )
            held = {row["id"] for row in rows}
            await connection.execute(self._sql["tell"], CHANNEL, payloads(holder, list(held)))
        return held

    async def read(self, places: Sequence[tuple[UUID, int]], most: int) -> list[Standing]:
        """What follows in each log behind a number, at most so many pieces, and where its call stands."""
        found = [Standing() for _ in places]
        rows = await self._database.fetch(
            self._sql["read_events"], [place[0] for place in places], [place[1] for place in places], most
        )
        for n, state, first, last, events in rows:
            standing = found[n - 1]
            standing.state = state
            if events is not None:
                standing.pieces.append((first, last, events))
        return found

    async def written(self, request_id: UUID, after: int, most: int) -> list[Written]:
        """The next so many pieces of one log behind a number."""
        rows = await self._database.fetch(self._sql["read_written"], request_id, after, most)
        return [Written(*row.values()) for row in rows]

    async def last(self, request_id: UUID) -> int | None:
        """The number of the last event of a log."""
        found: int | None = await self._database.fetch_value(self._sql["last_of"], request_id)
        return found

    async def break_off(self, connection: Connection, holder: UUID, most: int) -> int:
        """End calls of a dead process of which something was shown, in a transaction that takes away what it held.

        Gives how many; from here on no event of its calls is written.
        """
        await connection.execute(self._sql["close_fence"], holder)
        return len(await connection.fetch(self._sql["break_off"], holder, most))

    async def forget(self, ids: Sequence[UUID]) -> int:
        """Delete whole logs; gives the pieces."""
        done = await self._database.execute(self._sql["forget"], list(ids))
        return int(done.removeprefix("DELETE "))

    async def sweep(self, most: int) -> int:
        """Look at the next so many logs and delete those whose call or content is gone; gives the pieces.

        Days that are dropped take their logs with them; this is for calls that are deleted one by one.
        """
        rows = await self._database.fetch(self._sql["next_logs"], self._walked, most)
        self._walked = rows[-1]["id"] if len(rows) == most else NOTHING
        unneeded = [row["id"] for row in rows if not row["needed"]]
        return await self.forget(unneeded) if unneeded else 0


def payloads(writer: UUID, ids: Sequence[UUID]) -> list[str]:
    """Notices that name these calls."""
    return [
        " ".join((writer.hex, *(one.hex for one in ids[at : at + NAMED_AT_ONCE])))
        for at in range(0, len(ids), NAMED_AT_ONCE)
    ]
