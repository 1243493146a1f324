"""Calls of tools of the server: each is written once, with the record of its attempt."""

from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from dwctl.core.ids import new_id, new_uuid
from dwctl.core.metrics import Metrics
from dwctl.db.postgres import Database
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.record import Record, State, ToolCalled
from dwctl.requests.writer import Committer
from tests.requests.queue.work import add_batch, outcome
from tests.requests.test_writer import OWNER, entry, finished, started

SOURCE = new_id()
CALLED = [
    ToolCalled(
        source_id=SOURCE,
        name="weather",
        outcome="ok",
        latency_ms=12.5,
        item_id="fc_1",
        ended_at=1772366400.25,
    ),
    ToolCalled(source_id=SOURCE, name="weather", outcome="timeout", latency_ms=1000.0),
]


async def rows(database: Database) -> list[tuple[UUID, int, int, str, float]]:
    """What is written."""
    found = await database.fetch(
        """select request_id, attempt, number, outcome, latency_ms from tool_calls
        where name = 'weather' and tool_source_id = $1 and ended_at is not null order by 1, 2, 3""",
        UUID(SOURCE),
    )
    return [tuple(row) for row in found]


def calling(record: Record) -> Record:
    """A record with calls of tools."""
    return msgspec.structs.replace(record, tool_calls=CALLED)


@pytest.mark.parametrize("together", [False, True])
async def test_however_often_a_record_comes(database: Database, data_dir: Path, together: bool) -> None:
    committer = Committer(database, data_dir / "rejected.jsonl", Metrics())
    ident = new_id()
    ends = [calling(finished(ident, State.FAILED)), calling(finished(ident, State.COMPLETED, attempt=2))]
    entries = [
        entry(record, b"x") for record in (started(ident), *ends, *ends, finished(new_id(), State.COMPLETED))
    ]
    if together:
        await committer.commit(entries)
    else:
        for each in entries:
            await committer.commit([each])
    assert await rows(database) == [
        (UUID(ident), attempt, number, *told)
        for attempt in (1, 2)
        for number, told in enumerate([("ok", 12.5), ("timeout", 1000.0)], 1)
    ]
    assert not (data_dir / "rejected.jsonl").exists()


async def test_what_it_tells_of_each(database: Database, data_dir: Path) -> None:
    record = calling(finished(new_id(), State.COMPLETED))
    await Committer(database, data_dir / "rejected.jsonl", Metrics()).commit([entry(record, b"x")])
    told = await database.fetch(
        "select item_id, extract(epoch from ended_at)::float8 as ended_at from tool_calls order by number"
    )
    # What a spool of an earlier version does not say: such a call ended with its request, at the latest.
    assert [tuple(row) for row in told] == [("fc_1", 1772366400.25), (None, record.completed_at)]


async def test_of_queued_work_they_are_settled_with_it(database: Database) -> None:
    batch_id = await add_batch(database, 2, owner=UUID(OWNER))
    queue, holder = QueueStore(database), new_uuid()
    while await queue.populate(batch_id, 10):
        pass
    claimed = await queue.claim(holder, {lane.id: 10 for lane in await queue.lanes()})
    outcomes = [outcome(each, State.COMPLETED, owner=UUID(OWNER)) for each in claimed]
    outcomes[0].record.tool_calls = CALLED
    await queue.settle(holder, outcomes)
    await queue.settle(holder, outcomes)
    assert [row[:4] for row in await rows(database)] == [
        (claimed[0].id, claimed[0].attempt, number, told) for number, told in ((1, "ok"), (2, "timeout"))
    ]
