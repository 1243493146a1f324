"""The queue, step by step."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import AGAIN, Claimed
from dwctl.requests.record import State
from tests.requests.queue.invariants import check
from tests.requests.queue.work import add_batch, outcome


async def batch_row(database: Database, batch_id: UUID) -> dict[str, object]:
    row = await database.fetch_row("select * from batches where id = $1", batch_id)
    assert row is not None
    return dict(row)


async def claim(store: QueueStore, holder: UUID, most: int) -> list[Claimed]:
    return await store.claim(holder, {lane.id: most for lane in await store.lanes()})


async def test_a_batch_runs_through(database: Database) -> None:
    store, holder, owner = QueueStore(database), new_uuid(), new_uuid()
    batch_id = await add_batch(database, 5, models=2, owner=owner)
    assert await store.unstarted(10) == [batch_id]
    assert await store.populate(batch_id, 3)
    assert await store.lanes() == []
    assert not await store.populate(batch_id, 3)
    assert await store.unstarted(10) == []
    claimed = await claim(store, holder, 10)
    assert [(c.line, c.body) for c in claimed] == [
        (n, b'{"n": %d}'.replace(b" ", b"") % n) for n in (0, 2, 4, 1, 3)
    ]
    assert await claim(store, new_uuid(), 10) == []
    verdicts = [State.COMPLETED, State.FAILED, AGAIN, State.COMPLETED, State.FAILED]
    done = await store.settle(
        holder, [outcome(c, v, owner=owner) for c, v in zip(claimed, verdicts, strict=True)]
    )
    assert done.accepted == {c.id for c in claimed}
    assert not done.ended
    row = await batch_row(database, batch_id)
    assert (row["completed"], row["failed"], row["prompt_tokens"], row["output_bytes"]) == (2, 2, 5, 20)
    rows = await database.fetch("select line, state, attempt, position from requests order by line")
    assert [tuple(row.values()) for row in rows] == [
        (0, 4, 1, 1),
        (1, 4, 1, 2),
        (2, 3, 1, 1),
        (3, 3, 1, 2),
        (4, 0, 2, None),
    ]
    (last,) = await claim(store, holder, 10)
    assert (last.attempt, last.retries) == (2, 1)
    # A late end of the first attempt changes nothing.
    late = await store.settle(holder, [outcome(claimed[2], State.COMPLETED, owner=owner)])
    assert not late.accepted
    done = await store.settle(holder, [outcome(last, State.COMPLETED, owner=owner)])
    assert done.ended == {batch_id}
    row = await batch_row(database, batch_id)
    assert row["completed_at"] is not None
    assert row["cancelled_at"] is None
    assert await database.fetch_value("select count(*) from lanes") == 0
    assert await store.retry_failed(batch_id, 10, datetime.now(UTC)) == 2
    row = await batch_row(database, batch_id)
    assert (row["completed_at"], row["failed"], row["error_bytes"]) == (None, 0, 0)
    again = await claim(store, holder, 10)
    assert [(c.line, c.attempt, c.retries) for c in again] == [(2, 2, 0), (3, 2, 0)]


async def test_rescue_and_cancel(database: Database) -> None:
    store, dead, owner = QueueStore(database), new_uuid(), new_uuid()
    batch_id = await add_batch(database, 6, owner=owner)
    await store.populate(batch_id, 100)
    lost = await claim(store, dead, 4)
    assert await store.dead_holders(30) == [dead]
    assert await store.rescue(dead, 3) == 3
    assert await store.rescue(dead, 3) == 1
    assert await store.dead_holders(30) == []
    assert not (await store.settle(dead, [outcome(lost[0], State.COMPLETED, owner=owner)])).accepted
    live = new_uuid()
    held = await claim(store, live, 2)
    assert [c.attempt for c in held] == [2, 2]
    await store.release(live, [held[1].id])
    await database.execute("update batches set cancelling_at = now() where id = $1", batch_id)
    await database.execute("update lanes set closed = true where batch_id = $1", batch_id)
    assert await store.to_abort(live) == {held[0].id}
    assert await store.cancelling(10) == [batch_id]
    assert await store.cancel_step(batch_id, 3) == 3
    assert await store.cancel_step(batch_id, 3) == 2
    assert await store.cancel_step(batch_id, 3) == 0
    assert (await batch_row(database, batch_id))["cancelled_at"] is None
    done = await store.settle(live, [outcome(held[0], State.CANCELED, owner=owner)])
    assert done.ended == {batch_id}
    row = await batch_row(database, batch_id)
    assert (row["canceled"], row["cancelled_at"] is None) == (6, False)
    assert await database.fetch_value("select count(*) from queue") == 0


async def test_what_somebody_else_runs_is_settled_by_nobody_but_them(database: Database) -> None:
    """Neither state nor charge: the attempt is still to end."""
    store, holder, owner = QueueStore(database), new_uuid(), new_uuid()
    batch_id = await add_batch(database, 1, owner=owner)
    await store.populate(batch_id, 1)
    (claimed,) = await claim(store, holder, 1)
    await store.release(holder, [claimed.id])
    late = outcome(claimed, State.COMPLETED, owner=owner)
    late.record.cost = Decimal(1)
    other = new_uuid()
    (again,) = await claim(store, other, 1)
    assert (await store.settle(holder, [late])).accepted == frozenset()
    assert await database.fetch_value("select state from requests") == State.PENDING
    assert await database.fetch_value("select count(*) from ledger_entries") == 0
    done = outcome(again, State.COMPLETED, owner=owner)
    done.record.cost = Decimal(2)
    assert (await store.settle(other, [done])).accepted == {claimed.id}
    assert await database.fetch_value("select cost from batches") == 2
    await check(database, {})


async def test_what_waits_again_is_settled_by_who_has_run_it(database: Database) -> None:
    """The database lost the claim in a crash, and nobody has claimed it since."""
    store, holder, owner = QueueStore(database), new_uuid(), new_uuid()
    batch_id = await add_batch(database, 4, owner=owner)
    await store.populate(batch_id, 4)
    claimed = await claim(store, holder, 4)
    lost = [claimed[1].id, claimed[2].id]
    await database.execute("update queue set holder = null, claimed_at = null where id = any ($1)", lost)
    (elsewhere,) = await claim(store, other := new_uuid(), 1)
    assert elsewhere.id == lost[0]
    outcomes = [outcome(each, State.COMPLETED, owner=owner) for each in claimed]
    for each in outcomes:
        each.record.cost = Decimal(1)
    assert (await store.settle(holder, outcomes)).accepted == {each.id for each in claimed} - {elsewhere.id}
    assert await claim(store, holder, 4) == []
    done = await store.settle(other, [outcome(elsewhere, State.COMPLETED, owner=owner)])
    assert done.ended == {batch_id}
    row = await batch_row(database, batch_id)
    assert (row["completed"], row["cost"], row["charges"]) == (4, 3, 3)
    await check(database, {})
