"""What statements of the queue read: what they are about, however long the queue is and whatever the planner thinks."""

from collections.abc import Iterator
from typing import Any

import pytest

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import Claimed
from tests.requests.queue.work import add_batch

WAITING = 4000
AT_ONCE = 400
_COUNTED = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
PLANS = pytest.mark.parametrize("plan", ["force_generic_plan", "force_custom_plan"])


async def seen(database: Database, plan: str, name: str, *args: str) -> int:
    """The most rows that any step of a statement looks at. The arguments are SQL."""
    statement = Queries.load("dwctl.requests.queue")[name]
    async with database.transaction() as connection:
        await connection.execute(f"set local plan_cache_mode = {plan}")
        await connection.execute(f"prepare looked_at as {statement}")
        (row,) = await connection.fetch(
            f"explain (analyze, format json) execute looked_at ({', '.join(args)})"
        )
        await connection.execute("deallocate looked_at")
    (plans,) = row
    return max(
        int(sum(node.get(name, 0) for name in _COUNTED) * node["Actual Loops"])
        for node in _nodes(plans[0]["Plan"])
    )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


async def stocked(database: Database) -> int:
    """A long queue that the planner was told of while nothing was held; gives its lane."""
    batch_id = await add_batch(database, WAITING)
    await QueueStore(database).populate(batch_id, WAITING)
    await database.execute("analyze")
    lane: int = await database.fetch_value("select id from lanes")
    return lane


def ids(held: list[Claimed]) -> str:
    """An array of them."""
    return f"'{{{','.join(str(each.id) for each in held)}}}'"


def repeated(*values: str) -> list[str]:
    """An array of each."""
    return [f"array_fill({value}, array[{AT_ONCE}])" for value in values]


@PLANS
async def test_a_claim_reads_what_it_takes(database: Database, plan: str) -> None:
    lane = await stocked(database)
    args = (f"'{{{lane}}}'", f"'{{{AT_ONCE}}}'", f"'{new_uuid()}'", "'{0}'")
    assert await seen(database, plan, "claim", *args) <= AT_ONCE


@PLANS
async def test_a_settlement_reads_what_it_settles(database: Database, plan: str) -> None:
    lane = await stocked(database)
    store, holder = QueueStore(database), new_uuid()
    held = await store.claim(holder, {lane: 3 * AT_ONCE})
    columns = repeated(
        "1::smallint", "4::smallint", "null::timestamptz", "'{}'::bytea", "10", "1", "1", "0", "0", "2", "1::numeric",
        "1::real", "1::real",
    )  # fmt: skip
    assert await seen(database, plan, "settle", f"'{holder}'", ids(held[:AT_ONCE]), *columns) <= AT_ONCE


@PLANS
async def test_what_goes_back_is_all_that_is_read(database: Database, plan: str) -> None:
    lane = await stocked(database)
    store, holder = QueueStore(database), new_uuid()
    held = await store.claim(holder, {lane: 2 * AT_ONCE})
    assert await seen(database, plan, "release", f"'{holder}'", ids(held[:AT_ONCE])) <= 2 * AT_ONCE
    assert await seen(database, plan, "rescue", f"'{holder}'", str(AT_ONCE)) <= AT_ONCE


@PLANS
async def test_a_step_of_cancelling_reads_what_it_cancels(database: Database, plan: str) -> None:
    """However much of others' waits before it."""
    await stocked(database)
    batch_id = await add_batch(database, AT_ONCE)
    store = QueueStore(database)
    await store.populate(batch_id, AT_ONCE)
    await database.execute("analyze")
    assert await store.cancel(batch_id)
    assert await seen(database, plan, "cancel_step", f"'{batch_id}'", str(AT_ONCE // 2)) <= AT_ONCE


@PLANS
async def test_the_end_of_a_batch_reads_nothing_of_the_queue(database: Database, plan: str) -> None:
    await stocked(database)
    batch_id = await add_batch(database, 2)
    assert await seen(database, plan, "close_lanes", f"'{{{batch_id}}}'") <= 2
    assert await database.fetch_value("select count(*) from lanes") == 1
