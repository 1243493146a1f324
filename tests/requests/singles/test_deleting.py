"""A response that was deleted does not come back, whoever still writes; the race table of requests/singles/store.py."""

import asyncio
import random
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from dwctl.core.ids import new_id, new_uuid
from dwctl.core.metrics import Metrics
from dwctl.db.postgres import Database
from dwctl.requests.entry import Entry
from dwctl.requests.frames import Kind, entry_of
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.record import State
from dwctl.requests.singles.store import SingleStore
from dwctl.requests.store import RequestStore
from dwctl.requests.writer import Committer
from tests.requests.singles.calls import claim, outcome, recorded, row, single

HOLDER = new_uuid()
QUESTION, ANSWER = b'{"input":"a secret"}', b'{"output":["another secret"]}'


@pytest.fixture
def committer(database: Database, data_dir: Path) -> Committer:
    """What the writer and a replay commit with."""
    return Committer(database, data_dir / "rejected.jsonl", Metrics())


def entries(ident: str, **more: bool) -> tuple[Entry, Entry]:
    """Both records of a call, as they lie in the spool."""
    owner = new_id()
    start = recorded(ident, owner, ended=False, **more)
    end = recorded(ident, owner, ended=True, **more)
    return (
        entry_of(Kind.STARTED, msgspec.json.encode(start), QUESTION),
        entry_of(Kind.FINISHED, msgspec.json.encode(end), ANSWER),
    )


async def is_bare(database: Database, ident: str) -> None:
    """The row is there, and nothing else."""
    found = await row(database, UUID(ident))
    assert (found["stored"], found["request"], found["response"]) == (False, None, None)
    assert await RequestStore(database).get(UUID(ident)) is None


async def test_the_writer_then_the_deletion(database: Database, committer: Committer) -> None:
    ident = new_id()
    await committer.commit([*entries(ident)])
    assert (await row(database, UUID(ident)))["response"] == ANSWER
    assert await SingleStore(database).delete(UUID(ident))
    await is_bare(database, ident)
    assert not await SingleStore(database).delete(UUID(ident))


async def test_the_deletion_then_the_end(database: Database, committer: Committer) -> None:
    ident = new_id()
    start, end = entries(ident)
    await committer.commit([start])
    assert await SingleStore(database).delete(UUID(ident))
    await committer.commit([end])
    await is_bare(database, ident)
    found = await row(database, UUID(ident))
    assert (found["state"], found["status_code"]) == (State.COMPLETED, 200)


@pytest.mark.parametrize("which", [(0, 1), (0,), (1,)])
async def test_the_deletion_then_a_replay(
    database: Database, committer: Committer, which: tuple[int, ...]
) -> None:
    ident = new_id()
    both = entries(ident)
    await committer.commit([*both])
    assert await SingleStore(database).delete(UUID(ident))
    await committer.commit([both[each] for each in which])
    await is_bare(database, ident)


async def test_the_deletion_waits_for_who_holds_the_row(database: Database, committer: Committer) -> None:
    ident = new_id()
    start, end = entries(ident)
    await committer.commit([start])
    async with asyncio.TaskGroup() as tasks:
        async with database.transaction() as connection:
            await connection.execute("select 1 from requests where id = $1 for update", UUID(ident))
            deletion = tasks.create_task(SingleStore(database).delete(UUID(ident)))
            await waits(database)
            await connection.execute(
                "update request_bodies set response = $2 where id = $1", UUID(ident), ANSWER
            )
        assert await deletion
    await is_bare(database, ident)
    await committer.commit([end])
    await is_bare(database, ident)


async def test_a_replay_that_began_before_the_deletion(database: Database, committer: Committer) -> None:
    """Its statement sees the response still stored, and waits for the row; then it must not write."""
    ident = new_id()
    both = entries(ident)
    await committer.commit([*both])
    async with asyncio.TaskGroup() as tasks:
        async with database.transaction() as connection:
            await connection.execute("update requests set stored = false where id = $1", UUID(ident))
            await connection.execute("delete from request_bodies where id = $1", UUID(ident))
            replay = tasks.create_task(committer.commit([*both]))
            await waits(database)
        await replay
    await is_bare(database, ident)


async def test_any_order_at_once(database: Database, committer: Committer) -> None:
    store = SingleStore(database)
    draw = random.Random(7)
    for _ in range(60):
        ident = new_id()
        start, end = entries(ident)
        await committer.commit([start])
        steps = [committer.commit([end]), committer.commit([start, end]), store.delete(UUID(ident))]
        draw.shuffle(steps)
        async with asyncio.TaskGroup() as tasks:
            for step in steps:
                tasks.create_task(step)
        await is_bare(database, ident)


async def test_what_is_not_stored_has_no_bodies_from_the_beginning(
    database: Database, committer: Committer
) -> None:
    ident = new_id()
    start, end = entries(ident, stored=False)
    await committer.commit([start])
    await is_bare(database, ident)
    await committer.commit([end, start])
    await is_bare(database, ident)


@pytest.mark.parametrize("verdict", [State.COMPLETED, State.FAILED, State.CANCELED])
async def test_a_queued_call_that_is_run(database: Database, verdict: State) -> None:
    queue, store, call = QueueStore(database), SingleStore(database), single()
    await queue.enqueue([call])
    (claimed,) = await claim(queue, HOLDER)
    assert await store.delete(call.id)
    await is_bare(database, str(call.id))
    assert await queue.to_abort(HOLDER) == {call.id}
    await queue.settle(HOLDER, [outcome(call, claimed, verdict, HOLDER)])
    await is_bare(database, str(call.id))
    assert not await store.any_marked()


async def test_a_queued_call_that_waits(database: Database) -> None:
    queue, store, call = QueueStore(database), SingleStore(database), single()
    await queue.enqueue([call])
    assert await store.delete(call.id)
    await is_bare(database, str(call.id))
    found = await row(database, call.id)
    assert (found["state"], found["queued"]) == (State.CANCELED, False)
    assert await claim(queue, HOLDER) == []


async def waits(database: Database) -> None:
    """Until some transaction waits for another one's row."""
    async with asyncio.timeout(20):
        while not await database.fetch_value(
            """select exists (select from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock')"""
        ):
            await asyncio.sleep(0.005)
