"""What failed runs again, and nothing else."""

import asyncio
import time
from datetime import UTC, datetime
from uuid import UUID

import pytest

from dwctl.core.clock import SystemClock
from dwctl.engine.batches import actions
from dwctl.engine.batches.retrying import Retrying
from dwctl.requests.queue.structs import Claimed
from dwctl.requests.record import State
from tests.control.house import House, Person
from tests.engine.batches.ground import Ground, completed, failed, later
from tests.fakes.clock import FakeClock
from tests.requests.queue.invariants import check


@pytest.fixture
def ground(house: House) -> Ground:
    return Ground(house)


def odd(claimed: Claimed) -> int:
    """Lines with odd numbers fail."""
    return State.FAILED if (claimed.line or 0) % 2 else State.COMPLETED


async def ran(ground: Ground, user: Person, model: str = "m") -> UUID:
    """A batch of which every second line has failed."""
    await ground.models(model)
    batch_id = await ground.made(user, [model] * 6)
    await ground.run(batch_id, odd)
    return batch_id


async def ids_of(ground: Ground, user: Person, batch_id: UUID, status: str) -> list[str]:
    return [line["id"] for line in await ground.results(user, batch_id, status=status)]


async def test_all_that_failed_runs_again_and_the_batch_ends_again(ground: Ground) -> None:
    user = await ground.user()
    batch_id = await ran(ground, user)
    answer = await ground.post(user, batch_id, "retry")
    batch = answer.json()
    assert (answer.status_code, batch["status"], batch["completed_at"]) == (200, "in_progress", None)
    assert batch["request_counts"] == {"total": 6, "completed": 3, "failed": 0}
    claimed = await ground.claim()
    assert [(one.line, one.attempt) for one in claimed] == [(1, 2), (3, 2), (5, 2)]
    await ground.settle(claimed)
    batch = await ground.get(user, batch_id)
    assert (batch["status"], batch["request_counts"]["completed"]) == ("completed", 6)
    rows = await ground.database.fetch("select line, position from requests order by position")
    assert [row["position"] for row in rows] == [1, 2, 3, 4, 5, 6]
    analytics = await ground.get(user, batch_id, "/analytics")
    assert (analytics["total_requests"], analytics["avg_duration_ms"], analytics["total_tokens"]) == (
        6,
        100.0,
        90,
    )
    attempts = await ground.database.fetch("select attempt, status_code from attempts")
    assert [tuple(row.values()) for row in attempts] == [(1, 500)] * 3
    await check(ground.database, {})


async def test_nothing_failed(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user)
    for verdict in (None, completed):
        if verdict is not None:
            await ground.run(batch_id, verdict)
        before = await ground.get(user, batch_id)
        answer = await ground.post(user, batch_id, "retry")
        assert (answer.status_code, answer.json()["error"]["message"]) == (400, "No failed requests to retry")
        assert await ground.get(user, batch_id) == before


async def test_chosen_requests_of_this_batch_only(ground: Ground) -> None:
    user = await ground.user()
    batch_id = await ran(ground, user)
    other_id = await ran(ground, user, "n")
    ids = await ids_of(ground, user, batch_id, "failed")
    good = await ids_of(ground, user, batch_id, "completed")
    foreign = await ids_of(ground, user, other_id, "failed")
    for wanted, status in (
        ([], 400),
        (["x"], 400),
        ([ids[0], "x"], 400),
        ([ids[0], foreign[0]], 404),
        ([foreign[0]], 404),
        ([good[0]], 400),
    ):
        answer = await ground.post(user, batch_id, "retry-requests", {"request_ids": wanted})
        assert answer.status_code == status, wanted
    assert await ground.claim() == []
    wanted = [f"batch_req_{ids[0]}", f"resp_{ids[2]}", ids[0], good[0]]
    batch = (await ground.post(user, batch_id, "retry-requests", {"request_ids": wanted})).json()
    assert (batch["status"], batch["request_counts"]["failed"]) == ("in_progress", 1)
    assert sorted(str(one.id) for one in await ground.claim()) == sorted([ids[0], ids[2]])
    assert (await ground.get(user, other_id))["status"] == "completed"
    await check(ground.database, {})


async def test_more_than_fits_into_a_transaction_follows_by_steps(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 10)
    await ground.run(batch_id, failed)
    monkeypatch.setattr(actions, "RETRY_AT_ONCE", 4)
    batch = (await ground.post(user, batch_id, "retry")).json()
    assert (batch["status"], batch["request_counts"]["failed"]) == ("in_progress", 6)
    # What was put back first fails again, and is not put back a second time by the same retry.
    await ground.settle(await ground.claim(), failed)
    assert (await ground.get(user, batch_id))["status"] == "in_progress"
    await check(ground.database, {})
    assert await ground.queue.retry_step(batch_id, 4, later())
    await ground.settle(await ground.claim(), failed)
    assert (await ground.get(user, batch_id))["status"] == "in_progress"
    assert not await ground.queue.retry_step(batch_id, 4, later())
    last = await ground.claim()
    assert [one.line for one in last] == [8, 9]
    await ground.settle(last, failed)
    batch = await ground.get(user, batch_id)
    assert (batch["status"], batch["request_counts"]["failed"]) == ("failed", 10)
    await check(ground.database, {})


@pytest.mark.parametrize("verdict", [completed, failed])
async def test_the_last_step_ends_a_batch_that_was_done_by_then(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, verdict: object
) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 4)
    await ground.run(batch_id, failed)
    monkeypatch.setattr(actions, "RETRY_AT_ONCE", 4)
    await ground.post(user, batch_id, "retry")
    await ground.settle(await ground.claim(), completed if verdict is completed else failed)
    assert (await ground.get(user, batch_id))["status"] == "in_progress"
    assert not await ground.queue.retry_step(batch_id, 4, later())
    assert (await ground.get(user, batch_id))["status"] == ("completed" if verdict is completed else "failed")
    assert await ground.database.fetch_value("select count(*) from lanes") == 0
    await check(ground.database, {})


async def test_the_service_finishes_what_a_call_began(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 10)
    await ground.run(batch_id, failed)
    monkeypatch.setattr(actions, "RETRY_AT_ONCE", 2)
    monkeypatch.setattr("dwctl.engine.batches.retrying.STEP", 3)
    await ground.post(user, batch_id, "retry")
    service = Retrying(ground.queue, SystemClock())
    assert await service.step()
    while await service.step():
        pass
    assert len(await ground.claim()) == 10
    assert not await service.step()


async def test_a_batch_whose_deadline_passes_between_two_steps_gets_its_window_once_more(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 4)
    await ground.run(batch_id, failed)
    monkeypatch.setattr(actions, "RETRY_AT_ONCE", 2)
    await ground.post(user, batch_id, "retry")
    await ground.database.execute(
        "update batches set completion_window = '2h', expires_at = now() - interval '1 s'"
    )
    clock = FakeClock(time.time())
    assert not await Retrying(ground.queue, clock).step()
    expected = datetime.fromtimestamp(clock.now() + 7200, UTC)
    rows = await ground.database.fetch("select distinct deadline from queue where line >= 2")
    assert [row["deadline"] for row in rows] == [expected]
    assert await ground.database.fetch_value("select expires_at from batches") == expected


async def test_a_cancelled_batch_is_not_retried_and_ends_its_retry(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 6)
    await ground.run(batch_id, failed)
    ids = await ids_of(ground, user, batch_id, "failed")
    monkeypatch.setattr(actions, "RETRY_AT_ONCE", 2)
    await ground.post(user, batch_id, "retry")
    claimed = await ground.claim(1)
    await ground.post(user, batch_id, "cancel")
    assert await ground.queue.retrying(10) == {}
    await ground.cancelled(batch_id)
    await ground.settle(claimed, failed)
    batch = await ground.get(user, batch_id)
    assert (batch["status"], batch["request_counts"]) == (
        "cancelled",
        {"total": 6, "completed": 0, "failed": 5},
    )
    assert (await ground.post(user, batch_id, "retry")).status_code == 400
    assert (await ground.post(user, batch_id, "retry-requests", {"request_ids": ids[:1]})).status_code == 400
    await check(ground.database, {})


async def test_two_at_the_same_moment_put_each_request_back_once(ground: Ground) -> None:
    """Both wait for the batch, which somebody holds; whoever comes second must see what the first one did."""
    user = await ground.user()
    batch_id = await ran(ground, user)
    rows = await ground.database.fetch("select id from requests where state = 3")
    async with asyncio.TaskGroup() as group, ground.database.transaction() as holding:
        await holding.execute("select from batches where id = $1 for update", batch_id)
        calls = [
            group.create_task(ground.queue.retry_failed(batch_id, 10, later())),
            group.create_task(ground.queue.retry(batch_id, [row["id"] for row in rows], later())),
        ]
        while await waiting(ground) < 2:
            pass
    assert sorted(call.result() or 0 for call in calls) == [0, 3]
    assert len(await ground.claim()) == 3
    await check(ground.database, {})


async def waiting(ground: Ground) -> int:
    """How many statements wait for a lock."""
    found: int = await ground.database.fetch_value(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    )
    return found
