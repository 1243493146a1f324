"""Single calls by their id: cancelled, deleted, and asked for twice. Decision 0040.

Every method is one transaction. Locks are taken in the order of the queue's own statements: keys, rows of the queue,
rows of requests, bodies. If the process dies in the middle, nothing of it happened; repeated, each changes nothing
more.

Deleting races with whoever still writes. The row is what decides: it says `stored`, and who writes bodies holds the row
while it asks.

| who comes first | outcome |
|---|---|
| the writer of a record, then the deletion | the deletion waits for the row, and deletes what was written |
| the deletion, then the end of the call | the end finds the row: charged and logged, without bodies |
| the deletion, then a record once more, as in a replay | changes nothing, and its bodies are not taken |
| the deletion of a queued call that waits | it is taken out of the queue, cancelled |
| the deletion of a queued call that is run | marked in the queue: aborted by its holder, whose answer is not kept |
"""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec

from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries

_CANCEL = 1
_FORGET = 2
Met = Literal["ended", "marked", "nothing"]
"""What a cancellation came upon: a call that waited, one that somebody runs, one that is not in the queue."""


class Used(msgspec.Struct, frozen=True):
    """What an account's key has made."""

    owner_id: UUID
    key: str
    digest: bytes
    request_id: UUID


class KeyUse(msgspec.Struct, frozen=True):
    """A key that is to make a call."""

    owner_id: UUID
    key: str
    digest: bytes
    request_id: UUID


class SingleStore:
    """What is done to one call, whoever runs it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    # Ending

    async def cancel(self, request_id: UUID) -> Met:
        """End a queued call: at once if it waits, by whoever runs it otherwise."""
        async with self._database.transaction() as connection:
            return await self._end(connection, request_id, _CANCEL)

    async def delete(self, request_id: UUID) -> bool:
        """Let the row stay without its response, and end the call if it is queued; whether there was a response."""
        async with self._database.transaction() as connection:
            await self._end(connection, request_id, _FORGET)
            if await connection.fetchval(self._sql["forget_response"], request_id) is None:
                return False
            await connection.execute(self._sql["forget_bodies"], request_id)
            return True

    async def _end(self, connection: Connection, request_id: UUID, how: int) -> Met:
        row = await connection.fetchrow(self._sql["lock_queued"], request_id)
        if row is None:
            return "nothing"
        if row["held"]:
            await connection.execute(self._sql["mark"], request_id, how)
            return "marked"
        await connection.execute(self._sql["take_out"], request_id)
        return "ended"

    async def cancel_marked(self, most: int) -> int:
        """End what is to end and is run by nobody any more; gives how many."""
        row = await self._database.fetch_row(self._sql["cancel_marked"], most)
        return 0 if row is None else int(row["ended"])

    async def any_marked(self) -> bool:
        """Whether something is to end and has not."""
        return bool(await self._database.fetch_value(self._sql["any_marked"]))

    # Idempotency keys

    async def use_keys(self, connection: Connection, uses: Sequence[KeyUse], lifetime: float) -> set[UUID]:
        """Take keys for new calls, in the transaction that makes them; gives the calls whose keys were free.

        A key may stand among them once. Those used longer than `lifetime` seconds ago are free.
        """
        rows = await connection.fetch(
            self._sql["use_keys"],
            [use.owner_id for use in uses],
            [use.key for use in uses],
            [use.digest for use in uses],
            [use.request_id for use in uses],
            lifetime,
        )
        return {row["request_id"] for row in rows}

    async def used_keys(self, uses: Sequence[KeyUse]) -> dict[tuple[UUID, str], Used]:
        """What these keys have made, by account and key."""
        rows = await self._database.fetch(
            self._sql["used_keys"], [use.owner_id for use in uses], [use.key for use in uses]
        )
        found = [Used(*row.values()) for row in rows]
        return {(used.owner_id, used.key): used for used in found}

    async def forget_keys(self, lifetime: float, most: int) -> int:
        """Delete keys that are older than so many seconds; gives how many."""
        return _count(await self._database.execute(self._sql["forget_keys"], lifetime, most))

    # Content that is not stored

    async def drop_content(self, request_id: UUID) -> None:
        """Of a call whose client has its answer and wants nothing stored."""
        await self._database.execute(self._sql["drop_content"], request_id)

    async def forget_fleeting(self, grace: float, most: int) -> int:
        """Delete the content of such calls that ended so many seconds ago; gives how many."""
        return _count(await self._database.execute(self._sql["forget_fleeting"], grace, most))


def _count(status: str) -> int:
    """Rows of a command tag such as `DELETE 3`."""
    return int(status.rpartition(" ")[2])
