"""What a step of populating makes, and what it costs the database."""

from uuid import UUID

import msgspec

from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.requests.queue.store import QueueStore
from tests.requests.queue.work import add_batch

LINES = 5000
"""More than the twelve bits of a line's number that stand in the second half of its id."""
BODY = 1600


def _plan_rows(plan: dict[str, object]) -> list[dict[str, object]]:
    below = plan.get("Plans", [])
    assert isinstance(below, list)
    return [plan, *(row for each in below for row in _plan_rows(each))]


async def test_ids_go_by_prefix_and_line_within_a_step(database: Database) -> None:
    store = QueueStore(database)
    batch_id = await add_batch(database, LINES, models=2)
    await database.execute("update file_lines set prefix = line % 7")
    step = LINES - 500
    assert await store.populate(batch_id, step)
    assert not await store.populate(batch_id, step)
    rows = await database.fetch("select id, line from requests order by id")
    expected = [
        *sorted(range(step), key=lambda line: (line % 7, line)),
        *sorted(range(step, LINES), key=lambda line: (line % 7, line)),
    ]
    assert [row["line"] for row in rows] == expected
    assert [row["line"] for row in await database.fetch("select line from queue order by id")] == expected
    ids: list[UUID] = [row["id"] for row in rows]
    assert {each.version for each in ids} == {7}
    assert {each.variant for each in ids} == {"specified in RFC 4122"}
    # Nobody guesses the next one.
    assert len({each.int & ((1 << 48) - 1) for each in ids}) == LINES
    row = await database.fetch_row("select first_id, last_id, created_at from batches")
    assert row is not None
    assert row["first_id"] <= ids[0] < ids[-1] <= row["last_id"]
    moment = int(row["created_at"].timestamp() * 1000)
    assert {abs((each.int >> 80) - moment) <= 1 for each in ids} == {True}
    ranks = await database.fetch("select rank from queue order by id")
    assert [row["rank"] for row in ranks] == list(range(LINES))


async def test_a_step_puts_nothing_aside(database: Database) -> None:
    """Bodies are measured where they lie: sorted or kept with the rows they would go through temporary files."""
    batch_id = await add_batch(database, LINES)
    await database.execute(
        "update file_lines set body = convert_to(repeat(md5(line::text), $1), 'UTF8')", BODY // 32
    )
    statement = Queries.load("dwctl.requests.queue.populating")["populate"]
    async with database.transaction() as connection:
        await connection.execute(f"prepare looked_at as {statement}")
        (row,) = await connection.fetch(
            f"explain (analyze, buffers, format json) execute looked_at ('{batch_id}', {LINES})"
        )
        await connection.execute("deallocate looked_at")
    (found,) = row
    plan = msgspec.convert(found[0]["Plan"], dict[str, object])
    # The workspace that is the default takes 4 MB; the bodies alone are 8.
    assert max(int(str(each.get("Temp Written Blocks", 0))) for each in _plan_rows(plan)) == 0
    sizes = await database.fetch("select distinct request_size from requests")
    assert [row["request_size"] for row in sizes] == [BODY // 32 * 32]


async def test_steps_that_were_lost_are_made_again(database: Database) -> None:
    """As when the database's server dies before a step is on disk: rows, lanes and the count go back together."""
    store = QueueStore(database)
    batch_id = await add_batch(database, 10)
    assert await store.populate(batch_id, 4)
    async with database.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        await connection.fetch(Queries.load("dwctl.requests.queue.populating")["populate"], batch_id, 4)
        assert await connection.fetchval("show synchronous_commit") == "off"
        await undone.rollback()
        assert await connection.fetchval("show synchronous_commit") == "on"
    assert await store.populate(batch_id, 4)
    assert not await store.populate(batch_id, 4)
    rows = await database.fetch("select line from requests order by id")
    assert [row["line"] for row in rows] == list(range(10))
    assert await database.fetch_value("select sum(live)::integer from lanes where not closed") == 10
