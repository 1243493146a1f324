"""Batches, rows and ledger have one sum; whatever differs is named, with what differs."""

from decimal import Decimal
from uuid import UUID

import pytest

from dwctl.db.postgres import Database
from dwctl.requests.audit import WrongBatch, audit
from dwctl.requests.queue.structs import AGAIN
from dwctl.requests.record import State
from tests.engine.batches.test_interleavings import START, Cancel, CancelStep, Claim, Settle, World


@pytest.fixture
async def batch_id(database: Database) -> UUID:
    """A batch with two completed requests, a failed one that was tried twice, and a cancelled one."""
    world = World(database)
    for step in (
        *START,
        Settle(((0, State.COMPLETED), (1, State.COMPLETED), (2, AGAIN))),
        Claim(0, 4),
        Settle(((4, State.FAILED),)),
        Cancel(0),
        Settle(((3, State.CANCELED),)),
        CancelStep(0, 4),
    ):
        await world.do(step)
    row = await database.fetch_row("select completed, failed, canceled from batches")
    assert row is not None
    assert tuple(row.values()) == (2, 1, 1)
    return world.batches[0]


async def test_what_agrees_is_not_named(database: Database, batch_id: UUID) -> None:
    found = await audit(database)
    assert (found.batches, found.costs) == ([], [])
    assert await database.fetch_value("select cost from batches") > 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("update batches set completed = 1", [("completed requests", 1, 2)]),
        ("update batches set canceled = 0", [("canceled requests", 0, 1)]),
        ("update batches set charges = charges + 1", [("charges", 6, 5)]),
        (
            "update requests set state = 3 where position = 1 and state = 4",
            [("completed requests", 2, 1), ("failed requests", 1, 2)],
        ),
        (
            "delete from requests where position = 1 and state = 4",
            [("canceled requests", 1, 2), ("completed requests", 2, 1), ("cost in its rows", 1.5, 1.25)],
        ),
        (
            "update batches set cost = cost + 1",
            [("cost in its rows", 2.5, 1.5), ("cost in the ledger", 2.5, 1.5)],
        ),
    ],
)
async def test_what_differs_is_named(
    database: Database, batch_id: UUID, change: str, expected: list[tuple[str, float, float]]
) -> None:
    await database.execute(change)
    assert (await audit(database)).batches == [
        WrongBatch(batch_id, what, Decimal(counted), Decimal(found)) for what, counted, found in expected
    ]


async def test_rows_of_a_deleted_batch_and_of_a_day_that_was_dropped_are_left_alone(
    database: Database, batch_id: UUID
) -> None:
    await database.execute("update batches set completed = 1, charges = 1")
    assert [one.what for one in (await audit(database)).batches] == ["charges", "completed requests"]
    await database.execute("update batches set deleted_at = now()")
    assert [one.what for one in (await audit(database)).batches] == ["charges"]
    await database.execute("update batches set deleted_at = null")
    await database.execute("select ensure_request_partitions(current_date + 1, 2)")
    assert [one.what for one in (await audit(database)).batches] == ["charges"]
