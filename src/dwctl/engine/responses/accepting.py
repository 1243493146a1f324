"""Accepts queued calls: rows, contents, places in the queue, and the keys that make a repeated call the same one.

All of one round in one transaction. A call with an `Idempotency-Key` takes its key in the transaction that makes it:
either both are there or none, so a process may die at any moment and a repeated call finds what there is. Of two that
come at once, be it in two processes, one waits for the other's commit and then finds its key taken. A key counts for
the account, for as long as the settings say, until its response is deleted; with another body it is refused with 422,
for 409 is what clients take for a reason to try again.

| the process dies | the client, asking again with the same key |
|---|---|
| before the commit | makes the call: nothing was there |
| after the commit, before the answer | gets the call that was made |
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from dwctl.db.postgres import Database
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import Single
from dwctl.requests.singles.store import KeyUse, SingleStore


class Made(msgspec.Struct, frozen=True):
    """What a call has come to: made now, or by an earlier call with the same key; None for another body."""

    request_id: UUID | None
    at: datetime | None = None
    """When it was made, if it was made now."""


class Order(msgspec.Struct, frozen=True):
    """A call to be made, with its key if it has one."""

    single: Single
    key: str | None
    digest: bytes

    @property
    def use(self) -> KeyUse:
        """What it does with its key."""
        return KeyUse(self.single.owner_id, self.key or "", self.digest, self.single.id)


class Acceptance:
    """The store of a round."""

    def __init__(self, database: Database, lifetime: float) -> None:
        self._database = database
        self._queue = QueueStore(database)
        self._singles = SingleStore(database)
        self._lifetime = lifetime

    async def accept(self, orders: Sequence[Order]) -> list[Made]:
        """Make the calls, or find those that are made; one for each order, in their order."""
        first: dict[tuple[UUID, str], KeyUse] = {}
        for order in orders:
            if order.key is not None:
                first.setdefault((order.single.owner_id, order.key), order.use)
        if not first:
            at = await self._queue.enqueue([order.single for order in orders])
            return [Made(order.single.id, at.get(order.single.id)) for order in orders]
        async with self._database.transaction() as connection:
            won = await self._singles.use_keys(connection, list(first.values()), self._lifetime)
            at = await self._queue.enqueue_within(
                connection, [order.single for order in orders if order.key is None or order.single.id in won]
            )
        return await self._found(orders, first, won, at)

    async def _found(
        self,
        orders: Sequence[Order],
        first: dict[tuple[UUID, str], KeyUse],
        won: set[UUID],
        at: dict[UUID, datetime],
    ) -> list[Made]:
        """Of keys that were taken what they have made; those of this round are known."""
        taken = [use for use in first.values() if use.request_id not in won]
        used = await self._singles.used_keys(taken) if taken else {}
        made = []
        for order in orders:
            if order.key is None or order.single.id in won:
                made.append(Made(order.single.id, at.get(order.single.id)))
                continue
            place = (order.single.owner_id, order.key)
            use = first[place]
            if use.request_id in won:
                earlier = (use.digest, use.request_id)
            else:
                known = used.get(place)
                if known is None:
                    # The response was deleted just now, and the key with it: it is free.
                    made += await self.accept([order])
                    continue
                earlier = (known.digest, known.request_id)
            made.append(Made(earlier[1] if earlier[0] == order.digest else None))
        return made
