"""The queue in PostgreSQL: who waits, who is run by whom, what came of it. Decision 0034.

Every method is one transaction, and what it did is on disk when it returns, but for a claim and a step of populating:
if the database's server dies, what was claimed in its last moments waits again, and lines that were made ready then are
made ready once more. If the process dies in the middle, nothing of it happened; if it dies before it hears of the
commit, repeating it changes nothing: a settled request is no longer held.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries
from dwctl.requests.events.store import EventStore
from dwctl.requests.queue.structs import AGAIN, Claimed, Lane, Settled, Settlement, Single, Step, Told
from dwctl.requests.record import Record

CHANNEL = "dwctl_queue"
"""Notices: something waits, or a batch is to be populated or cancelled. Their payload is empty."""
CAPACITY = "dwctl_capacity"
"""Notices: a process has begun to run queued work for a model. Their payload is empty."""
ENDED = "dwctl_ended"
"""Notices of single requests that have ended; the payload is the request's id."""


class _Unheld(Exception):
    """Something is charged, or ends, whose request is no longer held."""


class QueueStore:
    """Live work of all processes on this database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)
        self._populating = Queries.load(f"{__package__}.populating")
        self._commands = Queries.load(f"{__package__}.commands")
        self._unheld = Queries.load(f"{__package__}.unheld")
        self._events = EventStore(database)
        self._upsert = Queries.load("dwctl.requests")["upsert_requests"]
        self._encode = msgspec.json.Encoder(decimal_format="number").encode

    # Coming in

    async def populate(self, batch_id: UUID, lines: int) -> bool:
        """Make the next so many lines of a batch wait; whether there is more to do.

        With the last of them the batch has started and can be claimed from.
        """
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(self._populating["populate"], batch_id, lines)
            if row is None:
                return False
            step = Step(*row.values())
            if step.started:
                await connection.execute(self._sql["durable"])
                await connection.execute(self._populating["open_lanes"], batch_id)
            elif not step.made:
                # It would wait for ever.
                await connection.execute(self._sql["durable"])
                await connection.execute(self._populating["abandon"], batch_id)
                return False
            return not step.started

    async def unstarted(self, most: int) -> list[UUID]:
        """Batches to populate, oldest first."""
        return [row["id"] for row in await self._database.fetch(self._populating["unstarted_batches"], most)]

    async def enqueue(self, singles: Sequence[Single]) -> dict[UUID, datetime]:
        """Accept single calls: rows, contents and places in the queue; gives when, of those whose id was free."""
        async with self._database.acquire() as connection:
            return await self.enqueue_within(connection, singles)

    async def enqueue_within(self, connection: Connection, singles: Sequence[Single]) -> dict[UUID, datetime]:
        """The same in a transaction that goes on."""
        columns = [
            [getattr(single, name) for single in singles]
            for name in (
                "id",
                "group_id",
                "tier",
                "path",
                "model",
                "owner_id",
                "creator_id",
                "key_id",
                "run_key_id",
                "completion_window",
                "deadline",
                "body",
                "stream",
                "background",
                "purpose",
                "origin",
                "service_tier",
                "user_agent",
                "stored",
            )
        ]
        rows = await connection.fetch(self._sql["enqueue"], *columns)
        return {row["id"]: row["created_at"] for row in rows}

    # How much runs beside interactive calls

    async def exchange(self, daemon_id: UUID, told: Sequence[Told], valid: float) -> dict[UUID, list[Told]]:
        """Tell the others, in place of what was told before; gives what they told in the last `valid` seconds."""
        rows = await self._database.fetch(
            self._sql["exchange"],
            daemon_id,
            [each.model for each in told],
            [each.wants for each in told],
            [each.batch for each in told],
            [each.interactive for each in told],
            [each.most for each in told],
            valid,
        )
        found: dict[UUID, list[Told]] = {}
        for row in rows:
            other, model, wants, batch, interactive, most = row.values()
            found.setdefault(other, []).append(
                Told(model=model, wants=wants, batch=batch, interactive=interactive, most=most)
            )
        return found

    async def call(self) -> None:
        """Wake the others to an exchange."""
        await self._database.execute(self._sql["call"], CAPACITY)

    # Being run

    async def lanes(self) -> list[Lane]:
        """Lanes that something waits in at this moment."""
        return [Lane(*row.values()) for row in await self._database.fetch(self._sql["live_lanes"])]

    async def claim(
        self, holder: UUID, wanted: Mapping[int, int], floors: Mapping[int, int] | None = None
    ) -> list[Claimed]:
        """Take up to so many requests from each lane, in the lane's order.

        `floors` are ranks before which nothing waits in a lane, as far as the caller knows.
        """
        known = floors or {}
        rows = await self._database.fetch(
            self._sql["claim"],
            list(wanted.keys()),
            list(wanted.values()),
            holder,
            [known.get(lane, 0) for lane in wanted],
        )
        return [Claimed(*row.values()) for row in rows]

    async def settle(self, holder: UUID, outcomes: Sequence[Settled]) -> Settlement:
        """Write what came of claimed requests: rows, charges, answers, queue and the batches' counters, all or none.

        A request that is no longer held by `holder` in that attempt changes no state. Its cost is charged all the same,
        unless somebody else runs that attempt. If it waits in that attempt, the database lost the claim in a crash:
        what came of it counts, so that nobody runs it again.
        """
        try:
            async with self._database.transaction() as connection:
                return await self._settle(connection, holder, outcomes, ordered=False)
        except _Unheld:
            # Rare: from the beginning, with everything locked in the order in which others lock it.
            ids = [UUID(outcome.record.id) for outcome in outcomes]
            attempts = [outcome.record.attempt for outcome in outcomes]
            async with self._database.transaction() as connection:
                await connection.execute(self._unheld["lock_held"], holder, ids)
                await connection.execute(self._unheld["lock_batches_of"], ids)
                await connection.execute(self._unheld["take_back"], holder, ids, attempts)
                return await self._settle(connection, holder, outcomes, ordered=True)

    async def _settle(
        self, connection: Connection, holder: UUID, outcomes: Sequence[Settled], *, ordered: bool
    ) -> Settlement:
        by_id = {UUID(outcome.record.id): outcome for outcome in outcomes}
        records = [outcome.record for outcome in by_id.values()]
        rows = await connection.fetch(
            self._sql["settle"],
            holder,
            list(by_id),
            [record.attempt for record in records],
            [outcome.verdict for outcome in by_id.values()],
            [outcome.not_before for outcome in by_id.values()],
            [outcome.body for outcome in by_id.values()],
            [outcome.size for outcome in by_id.values()],
            [record.prompt_tokens for record in records],
            [record.completion_tokens for record in records],
            [record.cached_tokens for record in records],
            [record.reasoning_tokens for record in records],
            [record.total_tokens for record in records],
            [record.cost for record in records],
            [record.duration_ms for record in records],
            [record.first_byte_ms for record in records],
        )
        accepted: set[UUID] = set()
        ended: set[UUID] = set()
        again: list[UUID] = []
        for request_id, position, batch_id, batch_ended, _ in rows:
            accepted.add(request_id)
            outcome = by_id[request_id]
            outcome.record.position = position
            outcome.record.batch_id = None if batch_id is None else str(batch_id)
            if outcome.verdict == AGAIN:
                again.append(request_id)
            if batch_ended:
                ended.add(batch_id)
        if len(accepted) < len(records):
            others = await self._of_others(connection, records, accepted)
            records = [record for record in records if UUID(record.id) not in others]
            if not ordered and (
                # It waits, and is to be held for what follows.
                any(others.values())
                # It moves its batch's cost, after the accounts' balances: too late to lock that batch.
                or any(record.cost and UUID(record.id) not in accepted for record in records)
            ):
                raise _Unheld
            if ordered:
                await self._belong(connection, records)
        # Without bodies: the statement before has written the answers.
        await connection.fetchrow(
            self._upsert, b"[%b]" % b",".join(map(self._encode, records)), b"", "{}", "{}", 0
        )
        if again:
            await connection.execute(self._sql["reopen_requests"], again, holder)
        if ended:
            await connection.execute(self._sql["close_lanes"], list(ended))
        await connection.execute(self._sql["durable"])
        return Settlement(frozenset(accepted), frozenset(ended))

    async def put_off(self, holder: UUID, request_id: UUID, attempt: int, seconds: float) -> None:
        """Let go of a request whose outcome cannot be written: its next attempt comes later."""
        async with self._database.transaction() as connection:
            found = await connection.fetchval(self._sql["put_off"], holder, request_id, attempt, seconds)
            if found is not None:
                await connection.execute(self._sql["reopen_requests"], [found], holder)

    async def _belong(self, connection: Connection, records: list[Record]) -> None:
        """Let each say of which batch it is; settling has told that of those that were still held."""
        by_id = {UUID(record.id): record for record in records}
        for request_id, batch_id in await connection.fetch(self._unheld["batches_of"], list(by_id)):
            by_id[request_id].batch_id = str(batch_id)

    async def _of_others(
        self, connection: Connection, records: list[Record], accepted: set[UUID]
    ) -> dict[UUID, bool]:
        """Those whose attempt is still to end: whoever runs it says what came of it. And whether it waits for one."""
        lost = [record for record in records if UUID(record.id) not in accepted]
        rows = await connection.fetch(
            self._unheld["held_by_others"], [UUID(one.id) for one in lost], [one.attempt for one in lost]
        )
        return dict(map(tuple, rows))

    async def ripen(self, most: int) -> set[int]:
        """Let requests whose time to be tried again has come wait with the others; gives their lanes."""
        return {row["lane_id"] for row in await self._database.fetch(self._sql["ripen"], most)}

    async def next_ripe(self) -> datetime | None:
        """When the next one's time comes."""
        moment: datetime | None = await self._database.fetch_value(self._sql["next_ripe"])
        return moment

    async def held(self, holder: UUID) -> set[UUID]:
        """What this process holds."""
        return {row["id"] for row in await self._database.fetch(self._sql["held"], holder)}

    async def release(self, holder: UUID, ids: Sequence[UUID]) -> None:
        """Hand back what was claimed and never sent; it keeps its attempt."""
        await self._database.execute(self._sql["release"], holder, list(ids))

    async def to_abort(self, holder: UUID) -> set[UUID]:
        """What this process runs and is to end."""
        return {row["id"] for row in await self._database.fetch(self._sql["to_abort"], holder)}

    # After a death

    async def dead_holders(self, silent_secs: float) -> list[UUID]:
        """Processes that hold requests and have stopped, or were silent for so long."""
        return [row["holder"] for row in await self._database.fetch(self._sql["dead_holders"], silent_secs)]

    async def rescue(self, holder: UUID, most: int) -> int:
        """Let what a dead process held wait again, each in its next attempt; gives how many, `most` at once.

        Calls of which events were shown end as failed instead: they would be shown something else.
        """
        async with self._database.transaction() as connection:
            ended = 0
            while step := await self._events.break_off(connection, holder, most):
                ended += step
            ids = [row["id"] for row in await connection.fetch(self._sql["rescue"], holder, most)]
            if ids:
                await connection.execute(self._sql["reopen_requests"], ids, holder)
            return ended + len(ids)

    # Commands

    async def cancelling(self, most: int) -> list[UUID]:
        """Batches whose requests are to be cancelled."""
        return [row["id"] for row in await self._database.fetch(self._sql["cancelling_batches"], most)]

    async def cancel_step(self, batch_id: UUID, most: int) -> int:
        """Cancel requests of a batch that is being cancelled and that nobody runs; gives how many.

        The batch is cancelled when none is left, neither waiting nor being run.
        """
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(self._sql["cancel_step"], batch_id, most)
            if row is None:
                return 0
            if row["ended"]:
                await connection.execute(self._sql["close_lanes"], [batch_id])
            canceled: int = row["canceled"]
            return canceled

    async def cancel(self, batch_id: UUID) -> bool:
        """Let nothing of a batch be started any more; its requests are cancelled by steps.

        False for one that has ended, or is being cancelled.
        """
        async with self._database.transaction() as connection:
            return batch_id in await self.cancel_within(connection, [batch_id])

    async def cancel_within(self, connection: Connection, batches: Sequence[UUID]) -> set[UUID]:
        """The same in a transaction that goes on, which has locked them if they are many; gives those that it met."""
        met = {row["id"] for row in await connection.fetch(self._commands["cancel"], list(batches))}
        if met:
            await connection.execute(self._commands["shut_lanes"], list(met))
        return met

    async def retry_failed(self, batch_id: UUID, most: int, deadline: datetime) -> int | None:
        """Let all requests of a batch that have failed by now wait again, the first `most` at once; gives how many.

        The others follow by steps, for which the batch is marked. A batch whose deadline has passed gets this one. None
        when there is nothing to retry, or the batch is being cancelled, or its file is gone.
        """
        async with self._database.transaction() as connection:
            if await connection.fetchval(self._commands["begin_retry"], batch_id, deadline) is None:
                return None
            again, _ = await self._retry(connection, batch_id, None, most, deadline)
            return again

    async def retrying(self, most: int) -> dict[UUID, str]:
        """Batches that have more steps of a retry before them, with their completion windows."""
        rows = await self._database.fetch(self._commands["retrying_batches"], most)
        return {row["id"]: row["completion_window"] for row in rows}

    async def retry_step(self, batch_id: UUID, most: int, deadline: datetime) -> bool:
        """The next step of a batch's retry; whether there is more to do."""
        async with self._database.transaction() as connection:
            await connection.execute(self._commands["lock_batch"], batch_id)
            _, more = await self._retry(connection, batch_id, None, most, deadline)
            return more

    async def retry(self, batch_id: UUID, ids: Sequence[UUID], deadline: datetime) -> int:
        """Let these requests of a batch wait again, if they have failed; gives how many."""
        async with self._database.transaction() as connection:
            await connection.execute(self._commands["lock_batch"], batch_id)
            again, _ = await self._retry(connection, batch_id, list(ids), len(ids), deadline)
            return again

    async def _retry(
        self, connection: Connection, batch_id: UUID, ids: list[UUID] | None, most: int, deadline: datetime
    ) -> tuple[int, bool]:
        (row,) = await connection.fetch(self._commands["retry_step"], batch_id, ids, most, deadline)
        again, ended, more = row
        if again:
            await connection.execute(self._sql["reopen_requests"], again, None)
            await connection.execute(self._commands["move_end"], batch_id)
        if ended:
            await connection.execute(self._sql["close_lanes"], [batch_id])
        return len(again), more

    async def forget_lanes(self) -> None:
        """Delete lanes of single calls that nothing waits in."""
        await self._database.execute(self._sql["forget_lanes"])
