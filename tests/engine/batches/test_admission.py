"""Nothing is promised that the models cannot do in time."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.errors import TooManyRequests
from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.engine.batches.admission import admit, room
from dwctl.engine.settings import BatchSettings
from dwctl.requests.queue.structs import Single
from dwctl.requests.record import State
from tests.control.house import House
from tests.engine.batches.ground import CHAT, Ground, later

ALL = BatchSettings(allowed_completion_windows=("24h", "1h", "10s"), default_throughput=1)


@pytest.fixture
def ground(database: Database) -> Ground:
    return Ground(House(database, batches=ALL))


NAMES = st.sampled_from(("a", "b", "c"))


@given(
    st.dictionaries(NAMES, st.integers(1, 50), min_size=1),
    st.dictionaries(NAMES, st.integers(0, 50)),
    st.fixed_dictionaries(dict.fromkeys(("a", "b", "c"), st.integers(0, 60))),
)
def test_what_fits_is_admitted(
    wanted: dict[str, int], promised: dict[str, int], rooms: dict[str, int]
) -> None:
    short = {model for model, lines in wanted.items() if lines + promised.get(model, 0) > rooms[model]}
    if not short:
        admit("24h", wanted, promised, rooms)
        return
    with pytest.raises(TooManyRequests) as refusal:
        admit("24h", wanted, promised, rooms)
    assert all(f"{model} has room" in refusal.value.message for model in short)


@pytest.mark.parametrize(
    ("throughput", "factor", "expected"),
    [(1, 1, 10), (0.25, 1, 2), (1, 0, 0), (1, 1.25, 12), (-1, 1, 0), (1, -1, 0)],
)
def test_room(throughput: float, factor: float, expected: int) -> None:
    assert room(throughput, 10, factor) == expected


async def test_the_last_request_that_fits_and_the_first_that_does_not(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    for lines, status in ((11, 429), (10, 201), (1, 429)):
        answer = await ground.create(user, await ground.file(user, ["m"] * lines), completion_window="10s")
        assert answer.status_code == status
    assert answer.headers["retry-after"] == "60"
    error = answer.json()["error"]
    assert error["message"] == (
        "Insufficient capacity for 10s completion window: m has room for 0 of 1 requests. "
        "Try again later, with fewer requests, or with a longer window."
    )
    assert await ground.database.fetch_value("select count(*) from batches") == 1
    assert await ground.database.fetch_value("select count(*) from lanes") == 1
    assert await ground.database.fetch_value("select count(*) from files where batch_id is not null") == 2


async def test_what_is_promised_is_counted_at_every_stage(ground: Ground) -> None:
    """As lines that are not requests yet, as waiting, as running; what has ended is not."""
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 9, completion_window="10s")

    async def fits(lines: int) -> bool:
        file_id = await ground.file(user, ["m"] * lines)
        answer = await ground.create(user, file_id, completion_window="10s")
        if answer.status_code == 201:
            await ground.queue.cancel(UUID(answer.json()["id"]))
        return answer.status_code == 201

    for _ in range(3):
        assert (await fits(1), await fits(2)) == (True, False)
        await ground.queue.populate(batch_id, 4)
    claimed = await ground.claim(5)
    assert (await fits(1), await fits(2)) == (True, False)
    await ground.settle(claimed[:1], lambda _: 0)
    assert (await fits(1), await fits(2)) == (True, False)
    await ground.settle(claimed[1:3])
    assert (await fits(3), await fits(4)) == (True, False)
    await ground.settle(claimed[3:5], lambda _: State.FAILED)
    assert (await fits(5), await fits(6)) == (True, False)
    assert await ground.queue.retry_failed(batch_id, 10, later()) == 2
    assert (await fits(3), await fits(4)) == (True, False)
    await ground.queue.cancel(batch_id)
    assert (await fits(10), await fits(11)) == (True, False)


async def test_only_what_is_due_within_the_window_counts(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    await ground.made(user, ["m"] * 3000, completion_window="24h")
    assert (
        await ground.create(user, await ground.file(user, ["m"] * 10), completion_window="10s")
    ).status_code == 201
    # 10 of the 3600 of an hour are taken; what is overdue counts everywhere.
    await ground.database.execute("update lanes set deadline = now() - interval '1 s' where promised = 3000")
    assert (
        await ground.create(user, await ground.file(user, ["m"] * 591), completion_window="1h")
    ).status_code == 429
    assert (
        await ground.create(user, await ground.file(user, ["m"] * 590), completion_window="1h")
    ).status_code == 201


async def test_single_calls_count(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    for deadline in (timedelta(seconds=5), timedelta(hours=2)):
        single = Single(
            id=new_uuid(), group_id=new_uuid(), tier="flex", path=CHAT, model="m", owner_id=user.id, creator_id=user.id,
            key_id=None, run_key_id=new_uuid(), completion_window="1h", deadline=later() - timedelta(days=1) + deadline,
            body=b"{}",
        )  # fmt: skip
        assert await ground.queue.enqueue([single])
    assert (
        await ground.create(user, await ground.file(user, ["m"] * 10), completion_window="10s")
    ).status_code == 429
    assert (
        await ground.create(user, await ground.file(user, ["m"] * 9), completion_window="10s")
    ).status_code == 201


async def test_throughput_and_factors(database: Database) -> None:
    settings = BatchSettings(
        allowed_completion_windows=("10s", "20s"), window_relaxation_factors={"10s": 2.0, "20s": 0.0}
    )
    ground = Ground(House(database, batches=settings))
    user = await ground.user()
    await ground.models("m", throughput=0.5)
    for window, lines, status in (("20s", 1, 429), ("10s", 11, 429), ("10s", 10, 201)):
        answer = await ground.create(user, await ground.file(user, ["m"] * lines), completion_window=window)
        assert answer.status_code == status


async def test_every_model_of_the_file_must_have_room(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m", "n", throughput=1.0)
    answer = await ground.create(user, await ground.file(user, ["m"] + ["n"] * 11), completion_window="10s")
    assert "n has room for 10 of 11" in answer.json()["error"]["message"]
    assert "m has" not in answer.json()["error"]["message"]


async def test_batches_at_the_same_time_see_each_other(ground: Ground) -> None:
    """Of twelve that would each fit alone, exactly as many get in as fit together."""
    user = await ground.user()
    await ground.models("m", "n")
    files = [await ground.file(user, ["m", "n", "m"] if n % 2 else ["n", "m", "m"]) for n in range(12)]
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(ground.create(user, one, completion_window="10s")) for one in files]
    assert sorted(call.result().status_code for call in calls) == [201] * 5 + [429] * 7
