"""Days of calls that are old enough are dropped, unless somebody needs them."""

import asyncio
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from dwctl.core.ids import new_uuid
from dwctl.core.services import start_task
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.record import State
from dwctl.requests.retention.store import FOREIGN, Retention
from tests.requests.queue.work import add_batch, outcome

KEPT = 5
OWNER = new_uuid()
TABLES = ("contents", "request_bodies", "response_events", "requests")


def today() -> date:
    return datetime.now(UTC).date()


def ago(days: int) -> date:
    return today() - timedelta(days=days)


async def make_days(database: Database, *days: int) -> None:
    """So many days ago."""
    for each in days:
        await database.execute("select ensure_request_partitions($1, 1)", ago(each))


async def left(database: Database, table: str = "requests") -> list[int]:
    """Which of them there are."""
    rows = await database.fetch(
        """select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = $1::text::regclass and c.relname ~ '_[0-9]{8}$' order by 1""",
        table,
    )
    found = [datetime.strptime(row["relname"][-8:], "%Y%m%d").replace(tzinfo=UTC).date() for row in rows]
    return [(today() - each).days for each in found]


async def add_call(database: Database, days: int, state: State = State.COMPLETED) -> UUID:
    """A call of that day, with bodies, contents, an earlier attempt, a tool that was called, and a charge."""
    ident: UUID = await database.fetch_value(
        "select uuidv7_of_line($1::date::timestamp at time zone 'UTC' + interval '12 hours', 1)", ago(days)
    )
    daemon = new_uuid() if state < State.FAILED else None
    await database.execute(
        """insert into requests (id, state, created_at, owner_id, creator_id, daemon_id, path, model, purpose, origin,
            service_tier, cost)
        values ($1, $2, now(), $3, $3, $4, '/v1/chat/completions', 'm', 'realtime', 'api', 'default', 1)""",
        ident,
        state,
        OWNER,
        daemon,
    )
    await database.execute("insert into request_bodies (id, request) values ($1, 'a')", ident)
    await database.execute("insert into contents (id, response) values ($1, 'b')", ident)
    await database.execute("insert into attempts (request_id, attempt) values ($1, 1)", ident)
    await database.execute(
        """insert into tool_calls (request_id, attempt, number, tool_source_id, name, outcome, latency_ms, ended_at)
        values ($1, 1, 1, $1, 'weather', 'ok', 1, now())""",
        ident,
    )
    await database.execute(
        """insert into ledger_entries (id, kind, account_id, amount, request_id, attempt)
        values ($1, 'usage', $2, -1, $1, 2)""",
        ident,
        OWNER,
    )
    return ident


async def add_old_batch(database: Database, days: int, *, outputs_for: timedelta | None) -> UUID:
    """A batch of that day with two lines, and an output file that expires so much later, or never."""
    batch_id = await add_batch(database, 2, owner=OWNER)
    await database.execute(
        """update batches set created_at = t, first_id = uuidv7_floor(t), last_id = uuidv7_floor(t + interval '1 ms')
        from (select $1::date::timestamp at time zone 'UTC' + interval '1 hour' as t) as m""",
        ago(days),
    )
    await database.execute(
        """insert into files (id, name, purpose, owner_id, creator_id, batch_id, expires_at)
        select output_file_id, 'out', 'batch_output', owner_id, owner_id, id, now() + $1 from batches""",
        outputs_for,
    )
    return batch_id


async def run(database: Database, batch_id: UUID) -> None:
    """To its end."""
    queue, holder = QueueStore(database), new_uuid()
    assert not await queue.populate(batch_id, 10)
    claimed = await queue.claim(holder, {lane.id: 10 for lane in await queue.lanes()})
    await queue.settle(holder, [outcome(each, State.COMPLETED, owner=OWNER) for each in claimed])


async def sweep(database: Database) -> int:
    """A round of housekeeping; how many days and attempts went."""
    retention, done = Retention(database, KEPT), 0
    while count := await retention.step(10):
        done += count
    return done


async def test_a_day_goes_with_all_that_hangs_on_it(database: Database) -> None:
    await make_days(database, 7, 6, 5, 1, 0)
    old, young = await add_call(database, 7), await add_call(database, 5)
    assert await sweep(database) == 4
    for table in TABLES:
        assert await left(database, table) == [5, 1, 0]
    assert [row[0] for row in await database.fetch("select request_id from tool_calls")] == [young]
    rows = await database.fetch(
        """select id from requests union all select id from request_bodies union all select id from contents"""
    )
    assert old not in {row["id"] for row in rows}
    assert [row["id"] for row in rows] == [young] * 3
    assert [row[0] for row in await database.fetch("select request_id from attempts")] == [young]
    assert await database.fetch_value("select count(*) from ledger_entries") == 2
    assert await sweep(database) == 0


async def test_calls_under_way_keep_their_day(database: Database) -> None:
    await make_days(database, 8, 7, 6, 0)
    ident = await add_call(database, 7, State.PROCESSING)
    await sweep(database)
    assert await left(database) == [7, 0]
    await database.execute("update requests set state = 3 where id = $1", ident)
    await sweep(database)
    assert await left(database) == [0]


async def test_a_batch_keeps_its_day_while_it_goes_on_and_has_outputs(database: Database) -> None:
    await make_days(database, 9, 8, 0)
    batch_id = await add_old_batch(database, 9, outputs_for=timedelta(hours=1))
    await sweep(database)
    assert await left(database) == [9, 0], "nobody has populated it"
    assert not await QueueStore(database).populate(batch_id, 10)
    await sweep(database)
    assert await left(database) == [9, 0], "its lines wait"
    await run(database, batch_id)
    await sweep(database)
    assert await left(database) == [9, 0], "its output can be read"
    await database.execute("update files set expires_at = now() where batch_id is not null")
    await sweep(database)
    assert await left(database) == [0]


@pytest.mark.parametrize(
    "end",
    [
        "update batches set deleted_at = now()",
        "update files set status = 'deleted' where batch_id is not null",
    ],
)
async def test_an_output_without_an_end_keeps_its_day_until_it_is_deleted(
    database: Database, end: str
) -> None:
    await make_days(database, 9, 0)
    await run(database, await add_old_batch(database, 9, outputs_for=None))
    await sweep(database)
    assert await left(database) == [9, 0]
    await database.execute(end)
    await sweep(database)
    assert await left(database) == [0]


async def test_what_a_process_that_died_has_left_goes_next(database: Database) -> None:
    await make_days(database, 9, 0)
    await add_call(database, 9)
    assert await database.fetch_value("select drop_request_day($1)", ago(9))
    assert await left(database, "contents") == [9, 0]
    assert await sweep(database) == 3
    for table in TABLES:
        assert await left(database, table) == [0]


async def test_bodies_stay_while_their_rows_do(database: Database) -> None:
    await make_days(database, 9)
    for parent in ("contents", "requests", "users"):
        assert not await database.fetch_value("select drop_bodies_of_day($1, $2)", parent, ago(9))
    assert await left(database) == await left(database, "contents") == [9]


async def test_a_busy_table_is_left_for_the_next_round(database: Database) -> None:
    """Whoever writes meanwhile is not held up for longer than the wait for the lock."""
    await make_days(database, 9, 0)
    async with database.transaction() as connection:
        await connection.execute("lock table requests in row exclusive mode")
        assert await sweep(database) == 0
        assert await left(database) == [9, 0]
    await sweep(database)
    assert await left(database) == [0]


async def test_what_begins_to_need_a_day_while_the_lock_is_waited_for(database: Database) -> None:
    """The look without the lock is not the last one."""
    await make_days(database, 9, 0)
    async with database.transaction() as connection:
        await connection.execute("lock table requests in row exclusive mode")
        dropping = start_task(Retention(database, KEPT).step(10), name="dropping")
        async with asyncio.timeout(20):
            while not dropping.done() and not await connection.fetchval(
                "select count(*) from pg_locks where not granted"
            ):
                pass
        await connection.execute(
            """insert into queue (id, lane_id, rank, deadline)
            values (uuidv7_floor($1::date + interval '1 hour'), 1, 1, now())""",
            ago(9),
        )
    assert await dropping == 0
    assert await left(database) == [9, 0]


async def test_an_output_without_an_end_goes_some_days_after_its_batch(database: Database) -> None:
    await make_days(database, 30, 0)
    batch_id = await add_old_batch(database, 30, outputs_for=None)
    await database.execute(
        "update files set created_at = now() - interval '30 days' where batch_id is not null"
    )
    assert await sweep(database) == 0, "it goes on"
    await run(database, batch_id)
    end = "update batches set completed_at = now() - make_interval(days => $1) + interval '1 minute' * $2"
    await database.execute(end, KEPT, 1)
    assert await sweep(database) == 0
    await database.execute(end, KEPT, -1)
    assert await sweep(database) == 2
    assert await left(database) == [0]
    assert await database.fetch_value("select expires_at <= now() from files where batch_id is not null")


async def test_outputs_with_an_end_keep_it(database: Database) -> None:
    await make_days(database, 30, 0)
    await run(database, await add_old_batch(database, 30, outputs_for=timedelta(hours=1)))
    await database.execute(
        "update files set created_at = now() - interval '30 days' where batch_id is not null"
    )
    await database.execute("update batches set completed_at = now() - interval '20 days'")
    assert await sweep(database) == 0
    assert await left(database) == [30, 0]


async def add_foreign(database: Database, days: float, state: State = State.COMPLETED) -> UUID:
    """A call with an id of its caller's making, made so many days ago."""
    ident = await add_call(database, 0, state)
    foreign = uuid4()
    await database.execute("update requests set id = $1 where id = $2", foreign, ident)
    await database.execute("update request_bodies set id = $1 where id = $2", foreign, ident)
    await database.execute("update contents set id = $1 where id = $2", foreign, ident)
    await database.execute("update attempts set request_id = $1 where request_id = $2", foreign, ident)
    await database.execute("update tool_calls set request_id = $1 where request_id = $2", foreign, ident)
    await database.execute(
        "update requests set created_at = now() - $1::interval where id = $2", timedelta(days=days), foreign
    )
    return foreign


async def test_ids_that_lie_in_no_day_go_one_by_one(database: Database) -> None:
    await make_days(database, 0)
    old = [await add_foreign(database, KEPT + 2) for _ in range(25)]
    young = await add_foreign(database, KEPT - 1)
    running = await add_foreign(database, KEPT + 2, State.PROCESSING)
    queued = await add_foreign(database, KEPT + 2)
    await database.execute("insert into queue (id, lane_id, rank, deadline) values ($1, 1, 1, now())", queued)
    retention = Retention(database, KEPT)
    async with database.transaction() as connection:
        await connection.execute("select from requests where id = $1 for update", old[0])
        assert [await retention.step(10) for _ in range(4)] == [10, 10, 4, 0]
    assert [await retention.step(10) for _ in range(2)] == [1, 0]
    rows = await database.fetch(
        "select id from requests union all select id from request_bodies union all select id from contents"
    )
    assert Counter(row["id"] for row in rows) == dict.fromkeys((young, running, queued), 3)
    assert await database.fetch_value("select count(*) from attempts") == 3
    assert await database.fetch_value("select count(*) from tool_calls") == 3
    assert await database.fetch_value("select count(*) from ledger_entries") == 28


async def test_ids_of_no_day_stay_while_their_batch_is_read(database: Database) -> None:
    await make_days(database, 0)
    ident = await add_foreign(database, KEPT + 2)
    batch_id = await add_old_batch(database, 1, outputs_for=timedelta(hours=1))
    await database.execute("update requests set batch_id = $1 where id = $2", batch_id, ident)
    await database.execute("update batches set completed_at = now()")
    assert await sweep(database) == 0
    await database.execute("update files set expires_at = now() where batch_id is not null")
    assert await sweep(database) == 1


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_a_step_reads_what_it_deletes(database: Database, mode: str) -> None:
    """However many rows there are that stay."""
    await database.execute(
        """insert into requests (
            id, state, created_at, owner_id, creator_id, path, model, purpose, origin, service_tier
        )
        select gen_random_uuid(), 4, now() - case when n % 20 = 0 then interval '9 days' else interval '1 day' end,
            $1, $1, '/v1/x', 'm', 'realtime', 'api', 'default'
        from generate_series(1, 10000) n""",
        OWNER,
    )
    await database.execute(
        """insert into files (id, name, purpose, owner_id, creator_id, created_at, expires_at)
        select gen_random_uuid(), 'out', case when n % 2 = 0 then 'batch_output' else 'user_data' end, $1, $1,
            now() - interval '30 days', case when n % 50 = 0 then null else now() + interval '1 day' end
        from generate_series(1, 10000) n""",
        OWNER,
    )
    await database.execute("analyze")
    sql = Queries.load("dwctl.requests.retention")
    ids = f"array_fill('{new_uuid()}'::uuid, array[50])"
    steps = {
        "old_foreign": ("integer, integer", f"{KEPT}, 50"),
        "old_outputs": ("integer, integer", f"{KEPT}, 50"),
        **dict.fromkeys(FOREIGN, ("uuid[]", ids)),
        "expire_outputs": ("uuid[]", ids),
    }
    for name, (types, values) in steps.items():
        async with database.transaction() as connection:
            await connection.execute(f"set local plan_cache_mode = {mode}")
            await connection.execute(f"prepare step({types}) as {sql[name]}")
            rows = await connection.fetch(f"explain execute step({values})")
            await connection.execute("deallocate step")
        plan = "\n".join(row[0] for row in rows)
        assert not re.search("Seq Scan on (requests_default|files)", plan), plan
