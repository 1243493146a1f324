"""Calls that are cancelled while they wait, are run, are tried again or their process has died."""

import asyncio
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import AGAIN, Claimed, Single
from dwctl.requests.record import State
from dwctl.requests.singles.store import SingleStore
from tests.examples import examples
from tests.requests.queue.work import add_batch
from tests.requests.singles.calls import claim, outcome, row, single

HOLDER, OTHER = new_uuid(), new_uuid()


async def test_one_that_waits_ends_at_once(database: Database) -> None:
    queue, store, call = QueueStore(database), SingleStore(database), single()
    await queue.enqueue([call])
    assert await store.cancel(call.id) == "ended"
    found = await row(database, call.id)
    assert (found["state"], found["error_code"], found["queued"]) == (State.CANCELED, "cancelled", False)
    assert found["completed_at"] is not None
    assert await store.cancel(call.id) == "nothing"


async def test_one_that_is_tried_again_ends_by_the_next_look(database: Database) -> None:
    queue, store, call = QueueStore(database), SingleStore(database), single()
    await queue.enqueue([call])
    (claimed,) = await claim(queue, HOLDER)
    assert await store.cancel(call.id) == "marked"
    assert await store.cancel_marked(10) == 0
    await queue.settle(HOLDER, [outcome(call, claimed, AGAIN, HOLDER)])
    assert await store.any_marked()
    assert await store.cancel_marked(10) == 1
    found = await row(database, call.id)
    assert (found["state"], found["attempt"]) == (State.CANCELED, 2)
    assert not await store.any_marked()


async def test_one_whose_process_died_ends_by_the_next_look(database: Database) -> None:
    queue, store, call = QueueStore(database), SingleStore(database), single()
    await queue.enqueue([call])
    await claim(queue, HOLDER)
    await store.cancel(call.id)
    assert await queue.rescue(HOLDER, 10) == 1
    assert await store.cancel_marked(10) == 1
    assert (await row(database, call.id))["state"] == State.CANCELED


async def test_what_comes_first_stays(database: Database) -> None:
    queue, store, call = QueueStore(database), SingleStore(database), single()
    await queue.enqueue([call])
    (claimed,) = await claim(queue, HOLDER)
    await store.cancel(call.id)
    await queue.settle(HOLDER, [outcome(call, claimed, State.COMPLETED, HOLDER)])
    assert (await row(database, call.id))["state"] == State.COMPLETED
    assert await store.cancel(call.id) == "nothing"


async def test_a_line_of_a_batch_is_not_touched(database: Database) -> None:
    queue, store = QueueStore(database), SingleStore(database)
    batch_id = await add_batch(database, 1)
    await queue.populate(batch_id, 10)
    line = await database.fetch_value("select id from requests where batch_id = $1", batch_id)
    assert await store.cancel(line) == "nothing"
    assert (await row(database, line))["queued"]


async def test_a_claim_at_the_same_moment(database: Database) -> None:
    queue, store = QueueStore(database), SingleStore(database)
    for _ in range(40):
        call = single()
        await queue.enqueue([call])
        async with asyncio.TaskGroup() as tasks:
            claiming = tasks.create_task(claim(queue, HOLDER))
            ending = tasks.create_task(store.cancel(call.id))
        if claiming.result():
            assert ending.result() == "marked"
            assert await queue.to_abort(HOLDER) == {call.id}
            (claimed,) = claiming.result()
            await queue.settle(HOLDER, [outcome(call, claimed, State.CANCELED, HOLDER)])
        else:
            assert ending.result() == "ended"
        found = await row(database, call.id)
        assert (found["state"], found["queued"]) == (State.CANCELED, False)


class World(msgspec.Struct):
    """What the steps of one example have come to."""

    claimed: dict[UUID, tuple[UUID, Claimed]] = {}
    deleted: set[UUID] = set()
    cancelled: set[UUID] = set()
    final: dict[UUID, tuple[int, int]] = {}


VERDICTS = st.sampled_from((AGAIN, State.FAILED, State.COMPLETED, State.CANCELED))
STEPS = st.lists(
    st.tuples(st.just("claim"), st.sampled_from((HOLDER, OTHER)))
    | st.tuples(st.just("settle"), st.integers(0, 2), VERDICTS)
    | st.tuples(st.just("rescue"), st.sampled_from((HOLDER, OTHER)))
    | st.tuples(st.sampled_from(("cancel", "delete")), st.integers(0, 2))
    | st.tuples(st.just("look")),
    max_size=25,
)


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS)
async def test_any_steps_in_any_order(database: Database, steps: list[tuple[object, ...]]) -> None:
    queue, store, world = QueueStore(database), SingleStore(database), World()
    calls = [single() for _ in range(3)]
    await queue.enqueue(calls)
    for step in steps:
        await take(step, calls, queue, store, world)
        for call in calls:
            await holds(database, call.id, world)
    # Whatever happened: once nobody runs them, what was to end has ended.
    for holder in (HOLDER, OTHER):
        await queue.rescue(holder, 1000)
    await store.cancel_marked(1000)
    for call in calls:
        found = await row(database, call.id)
        if call.id in world.cancelled | world.deleted:
            assert found["state"] >= State.FAILED
            assert not found["queued"]
        await store.delete(call.id)


async def take(
    step: tuple[object, ...], calls: list[Single], queue: QueueStore, store: SingleStore, world: World
) -> None:
    match step:
        case ("claim", UUID() as holder):
            for claimed in await claim(queue, holder):
                world.claimed[claimed.id] = (holder, claimed)
        case ("settle", int(number), int(verdict)):
            call = calls[number]
            held = world.claimed.get(call.id)
            if held is not None:
                await queue.settle(held[0], [outcome(call, held[1], verdict, held[0])])
        case ("rescue", UUID() as holder):
            await queue.rescue(holder, 1000)
        case ("cancel", int(number)):
            await store.cancel(calls[number].id)
            world.cancelled.add(calls[number].id)
        case ("delete", int(number)):
            assert await store.delete(calls[number].id) == (calls[number].id not in world.deleted)
            world.deleted.add(calls[number].id)
        case _:
            await store.cancel_marked(1000)


async def holds(database: Database, request_id: UUID, world: World) -> None:
    """What is so after every step."""
    found = await row(database, request_id)
    live = found["state"] == State.PENDING
    assert (found["waiting"] == found["attempt"]) if live else not found["queued"]
    assert found["stored"] == (request_id not in world.deleted)
    if not found["stored"]:
        assert (found["request"], found["response"]) == (None, None)
    if not live:
        ended = (found["state"], found["attempt"])
        assert world.final.setdefault(request_id, ended) == ended


@pytest.mark.parametrize("grace", [0.0, 3600.0])
async def test_content_that_is_not_stored_goes_when_the_call_is_over(
    database: Database, grace: float
) -> None:
    queue, store = QueueStore(database), SingleStore(database)
    call, kept = single(stored=False), single()
    await queue.enqueue([call, kept])
    done = {claimed.id: claimed for claimed in await claim(queue, HOLDER)}
    assert await store.forget_fleeting(0.0, 10) == 0
    await queue.settle(
        HOLDER, [outcome(each, done[each.id], State.COMPLETED, HOLDER) for each in (call, kept)]
    )
    await database.execute("update requests set completed_at = now()")
    assert await store.forget_fleeting(grace, 10) == (0 if grace else 1)
    found = await row(database, call.id)
    assert (found["request"] is None, found["response"] is None) == (not grace, not grace)
    await store.drop_content(call.id)
    await store.drop_content(kept.id)
    assert (await row(database, call.id))["response"] is None
    assert (await row(database, kept.id))["response"] is not None
