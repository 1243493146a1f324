"""A batch from validating to its end, as it is shown."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from dwctl.core.ids import new_uuid
from dwctl.requests.queue.structs import Claimed
from dwctl.requests.record import State
from tests.control.house import House
from tests.engine.batches.ground import BATCHES, Ground, failed, later


@pytest.fixture
def ground(house: House) -> Ground:
    return Ground(house)


def half(claimed: Claimed) -> int:
    """Every second line fails."""
    return State.FAILED if (claimed.line or 0) % 2 else State.COMPLETED


def stamps(batch: dict[str, Any]) -> set[str]:
    """Which of the times there are."""
    names = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    return {name for name in names if batch[f"{name}_at"] is not None}


async def test_from_validating_to_completed(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m", "n")
    batch_id = await ground.made(user, ["m", "n", "m", "n"])
    await ground.queue.populate(batch_id, 3)
    assert (await ground.get(user, batch_id))["status"] == "validating"
    await ground.populate(batch_id)
    batch = await ground.get(user, batch_id)
    assert (batch["status"], stamps(batch)) == ("in_progress", {"in_progress"})
    claimed = await ground.claim()
    await ground.settle(claimed[:3], half)
    batch = await ground.get(user, batch_id)
    assert batch["status"] == "in_progress"
    assert batch["request_counts"] == {"total": 4, "completed": 2, "failed": 1}
    await ground.settle(claimed[3:], half)
    batch = await ground.get(user, batch_id)
    assert (batch["status"], stamps(batch)) == ("completed", {"in_progress", "finalizing", "completed"})
    assert batch["request_counts"] == {"total": 4, "completed": 2, "failed": 2}
    assert batch["usage"] == {
        "input_tokens": 16, "input_tokens_details": {"cached_tokens": 12}, "output_tokens": 24,
        "output_tokens_details": {"reasoning_tokens": 8}, "total_tokens": 40,
    }  # fmt: skip
    assert await ground.get(user, batch_id, "/analytics") == {
        "total_requests": 4, "total_prompt_tokens": 16, "total_completion_tokens": 24, "total_reasoning_tokens": 8,
        "total_tokens": 40, "avg_duration_ms": 100.0, "avg_ttfb_ms": 40.0, "total_cost": "0",
    }  # fmt: skip


async def test_a_batch_of_which_everything_failed_has_failed(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 2)
    await ground.run(batch_id, failed)
    batch = await ground.get(user, batch_id)
    assert (batch["status"], stamps(batch), batch["errors"]) == ("failed", {"in_progress", "failed"}, None)


async def test_a_batch_that_could_not_start_says_why(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user)
    why = {"object": "list", "data": [{"code": "x", "message": "No.", "param": None, "line": 3}]}
    await ground.database.execute("update batches set failed_at = now(), errors = $1", why)
    batch = await ground.get(user, batch_id)
    assert (batch["status"], stamps(batch), batch["errors"]) == ("failed", {"failed"}, why)


async def test_the_cost_is_told_to_the_last_digit(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 2)
    await ground.populate(batch_id)
    for claimed, cost in zip(await ground.claim(), ("0.000000000000001", "10"), strict=True):
        done = await ground.outcome(claimed, State.COMPLETED)
        done.record.cost = Decimal(cost)
        await ground.queue.settle(ground.holder, [done])
    assert (await ground.get(user, batch_id, "/analytics"))["total_cost"] == "10.000000000000001"


@pytest.mark.parametrize("ended", [False, True])
async def test_expired_is_what_was_not_done_in_time(ground: Ground, ended: bool) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user)
    if ended:
        await ground.run(batch_id)
    await ground.database.execute("update batches set expires_at = now() - interval '1 h'")
    batch = await ground.get(user, batch_id)
    assert batch["expired_at"] == batch["expires_at"]
    # What was done before its deadline is not expired by the time that passes.
    await ground.database.execute(
        "update batches set completed_at = now() - interval '2 h', started_at = now()"
    )
    assert (await ground.get(user, batch_id))["expired_at"] is None


async def test_cancelling_is_told_at_once_and_done_by_steps(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 5)
    await ground.populate(batch_id)
    claimed = await ground.claim(2)
    await ground.settle(claimed[:1])
    answer = await ground.post(user, batch_id, "cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelling")
    assert await ground.queue.lanes() == []
    assert await ground.queue.to_abort(ground.holder) == {claimed[1].id}
    await ground.cancelled(batch_id)
    assert (await ground.get(user, batch_id))["status"] == "cancelling"
    await ground.settle(claimed[1:], lambda _: State.CANCELED)
    batch = await ground.get(user, batch_id)
    assert (batch["status"], stamps(batch)) == ("cancelled", {"in_progress", "cancelling", "cancelled"})
    assert batch["request_counts"] == {"total": 5, "completed": 1, "failed": 0}
    again = await ground.post(user, batch_id, "cancel")
    assert (again.status_code, again.json()) == (200, batch)


async def test_a_batch_that_is_not_populated_is_cancelled_too(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 5)
    await ground.queue.populate(batch_id, 2)
    assert (await ground.post(user, batch_id, "cancel")).json()["status"] == "cancelling"
    await ground.populate(batch_id)
    await ground.cancelled(batch_id)
    assert (await ground.get(user, batch_id))["status"] == "cancelled"
    row = await ground.database.fetch_row(
        "select canceled, (select count(*) from lanes) as lanes from batches"
    )
    assert row is not None
    assert tuple(row.values()) == (5, 0)


async def test_a_finished_batch_is_not_changed_by_cancelling(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    for verdict in (failed, half):
        batch_id = await ground.made(user)
        await ground.run(batch_id, verdict)
        before = await ground.get(user, batch_id)
        answer = await ground.post(user, batch_id, "cancel")
        assert (answer.status_code, answer.json()) == (200, before)


async def test_deleting_cancels_and_hides(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 3)
    await ground.populate(batch_id)
    answer = await ground.house.call("DELETE", f"{BATCHES}/batch_{batch_id}", user)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await ground.queue.lanes() == []
    assert await ground.queue.cancelling(10) == [batch_id]
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/results"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
    ):
        assert (await ground.house.call(method, f"{BATCHES}/{batch_id}{path}", user)).status_code == 404
    assert (await ground.house.call("GET", BATCHES, user)).json()["data"] == []
    await ground.cancelled(batch_id)
    assert await ground.database.fetch_value("select cancelled_at is not null from batches")


async def test_strangers_and_odd_ids(ground: Ground) -> None:
    user, stranger = await ground.user(), await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user)
    paths = [("GET", ""), ("GET", "/analytics"), ("GET", "/results"), ("POST", "/cancel"), ("POST", "/retry")]
    for ident, who, status in ((batch_id, stranger, 404), (new_uuid(), user, 404), ("batch_x", user, 400)):
        for method, path in (*paths, ("DELETE", "")):
            answer = await ground.house.call(method, f"{BATCHES}/{ident}{path}", who)
            assert answer.status_code == status, (method, path)
    body = {"request_ids": [str(new_uuid())]}
    assert (await ground.post(stranger, batch_id, "retry-requests", body)).status_code == 404
    assert (await ground.get(user, batch_id))["status"] == "validating"


async def test_a_deadline_that_is_over_begins_anew_with_a_retry(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 2)
    await ground.run(batch_id, failed)
    before = await ground.get(user, batch_id)
    await ground.post(user, batch_id, "retry")
    assert (await ground.get(user, batch_id))["expires_at"] == before["expires_at"]
    await ground.settle(await ground.claim(), failed)
    await ground.database.execute("update batches set expires_at = now() - interval '1 s'")
    batch = (await ground.post(user, batch_id, "retry")).json()
    assert abs(batch["expires_at"] - later().timestamp()) < 30
    assert batch["expired_at"] is None
    (lane,) = await ground.queue.lanes()
    assert lane.deadline is not None
    assert abs(lane.deadline - later()) < timedelta(seconds=30)
    assert {claimed.deadline for claimed in await ground.claim()} == {lane.deadline}


async def test_a_batch_of_a_deleted_file_is_still_there(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user)
    await ground.run(batch_id, failed)
    await ground.database.execute("update batches set file_id = null")
    assert (await ground.get(user, batch_id))["input_file_id"] is None
    answer = await ground.post(user, batch_id, "retry")
    assert answer.status_code == 400
    assert "input file is deleted" in answer.json()["error"]["message"]
    assert UUID((await ground.get(user, batch_id))["error_file_id"]) != batch_id
