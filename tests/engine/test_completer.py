"""Outcomes when the database refuses them or is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.engine.completer import BEHIND, Completer
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import Claimed, Settled, Settlement
from dwctl.requests.record import State
from tests.databases import Server
from tests.requests.queue.work import add_batch, outcome

OWNER = new_uuid()


@asynccontextmanager
async def running(completer: Completer) -> AsyncIterator[None]:
    """While the block lasts."""
    await completer.start()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(completer.run())
        try:
            yield
        finally:
            task.cancel()


async def claimed(store: QueueStore, database: Database, count: int) -> tuple[Completer, list[Claimed]]:
    """So many requests, held by whoever the completer is of."""
    holder = new_uuid()
    batch_id = await add_batch(database, count, owner=OWNER)
    while await store.populate(batch_id, 10_000):
        pass
    return Completer(store, holder), await store.claim(
        holder, {lane.id: count for lane in await store.lanes()}
    )


def has_room(completer: Completer) -> bool:
    """Whether it takes more."""
    return completer.has_room


def good(one: Claimed) -> Settled:
    """It is completed."""
    return outcome(one, State.COMPLETED, owner=OWNER)


async def test_many_outcomes_share_a_transaction(database: Database) -> None:
    completer, work = await claimed(QueueStore(database), database, 2500)
    told: list[Settlement] = []
    completer.on_settled = told.append
    for one in work:
        completer.put(good(one))
    assert completer.holds(work[0].id) == 1
    async with running(completer):
        assert await completer.flush(20)
    assert [len(settlement.accepted) for settlement in told] == [1000, 1000, 500]
    assert len(told[-1].ended) == 1
    assert (completer.noted, completer.done) == (2500, 2500)
    assert completer.holds(work[0].id) is None
    assert await database.fetch_value("select completed from batches") == 2500


async def test_what_the_database_refuses_ends_as_failed_and_holds_nobody_up(database: Database) -> None:
    completer, work = await claimed(QueueStore(database), database, 9)
    outcomes = [good(one) for one in work]
    # Text that PostgreSQL cannot store, and a number that no column takes.
    outcomes[4].record.response_model = "a\0b"
    outcomes[6].record.prompt_tokens = 2**40
    for each in outcomes:
        completer.put(each)
    async with running(completer):
        assert await completer.flush(20)
    rows = await database.fetch("select state, error_code from requests order by line")
    assert [row["state"] for row in rows] == [State.COMPLETED] * 6 + [State.FAILED] + [State.COMPLETED] * 2
    assert rows[6]["error_code"] == "internal_error"
    assert await database.fetch_value("select count(*) from queue") == 0
    assert await database.fetch_value("select completed + failed from batches") == 9


async def test_a_time_that_no_column_takes_ends_as_failed(database: Database) -> None:
    completer, work = await claimed(QueueStore(database), database, 2)
    outcomes = [good(one) for one in work]
    outcomes[0].record.duration_ms = 1e300
    outcomes[0].record.response_size = 2**40
    for each in outcomes:
        completer.put(each)
    async with running(completer):
        assert await completer.flush(20)
    rows = await database.fetch("select state, error_code, duration_ms from requests order by line")
    assert [row["state"] for row in rows] == [State.FAILED, State.COMPLETED]
    assert rows[0]["error_code"] == "internal_error"
    assert await database.fetch_value("select count(*) from queue") == 0
    assert await database.fetch_value("select completed_at is not null from batches")


async def test_what_cannot_end_at_all_is_let_go_and_tried_later(database: Database) -> None:
    store = QueueStore(database)
    completer, work = await claimed(store, database, 2)
    await database.execute(
        f"alter table requests add constraint refusing check (id <> '{work[0].id}' or state = 0) not valid"
    )
    for one in work:
        completer.put(good(one))
    async with running(completer):
        assert await completer.flush(20)
    row = await database.fetch_row(
        "select id, holder, attempt, retries, not_before > now() as later from queue"
    )
    assert row is not None
    assert tuple(row) == (work[0].id, None, 2, 1, True)
    shown = await database.fetch_row("select state, attempt from requests where id = $1", work[0].id)
    assert shown is not None
    assert tuple(shown) == (State.PENDING, 2)
    await database.execute("alter table requests drop constraint refusing")
    await database.execute("update queue set not_before = now()")
    assert await store.ripen(10)
    holder = new_uuid()
    (again,) = await store.claim(holder, {lane.id: 2 for lane in await store.lanes()})
    await store.settle(holder, [good(again)])
    assert await database.fetch_value("select completed from batches") == 2


async def test_while_the_database_is_away_outcomes_wait_and_nothing_is_claimed(
    database: Database, postgres: Server
) -> None:
    store = QueueStore(database)
    completer, work = await claimed(store, database, 3)
    room = asyncio.Event()
    completer.on_room = room.set
    name = urlsplit(database.dsn).path.removeprefix("/")
    await postgres.run(f"alter database {name} allow_connections false")
    await postgres.run(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'dwctl'"
    )
    for one in work:
        completer.put(good(one))
    async with running(completer):
        assert not await completer.flush(0.3)
        assert not has_room(completer)
        await postgres.run(f"alter database {name} allow_connections true")
        assert await completer.flush(20)
        assert has_room(completer)
    assert room.is_set()
    assert await database.fetch_value("select completed from batches") == 3


async def test_too_many_outcomes_leave_no_room(database: Database) -> None:
    completer, work = await claimed(QueueStore(database), database, BEHIND)
    for one in work:
        completer.put(good(one))
    assert not completer.has_room


async def test_the_last_outcomes_are_committed_at_the_end(database: Database) -> None:
    completer, work = await claimed(QueueStore(database), database, 5)
    for one in work:
        completer.put(good(one))
    await completer.stop()
    assert await database.fetch_value("select completed from batches") == 5
