"""The same call twice makes one batch."""

import asyncio

import pytest

from tests.control.house import House
from tests.engine.batches.ground import BATCHES, Ground


@pytest.fixture
def ground(house: House) -> Ground:
    return Ground(house)


async def test_the_same_body_gives_the_same_batch_whatever_has_changed(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    file_id = await ground.file(user)
    first = await ground.create(user, file_id, key="k", metadata={"a": "1", "b": "2"})
    await ground.run(first.json()["id"])
    await ground.database.execute("update models set throughput = 0.00001, deleted_at = now()")
    again = await ground.create(user, file_id, key="k", metadata={"b": "2", "a": "1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["status"] == "completed"
    assert await ground.database.fetch_value("select count(*) from batches") == 1


async def test_another_body_is_refused(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    file_id = await ground.file(user)
    await ground.create(user, file_id, key="k")
    for fields in (
        {"metadata": {"a": "1"}},
        {"endpoint": "/v1/embeddings"},
        {"completion_window": "nonsense"},
    ):
        answer = await ground.create(user, file_id, key="k", **fields)
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "idempotency_key_reused"
    assert (await ground.create(user, await ground.file(user), key="k")).status_code == 422


async def test_a_refused_call_leaves_its_key_free(ground: Ground) -> None:
    user = await ground.user()
    file_id = await ground.file(user)
    assert (await ground.create(user, file_id, key="k")).status_code == 400
    await ground.models("m", throughput=0.00001)
    assert (await ground.create(user, file_id, key="k")).status_code == 429
    await ground.database.execute("update models set throughput = null")
    assert (await ground.create(user, file_id, key="k", metadata={"now": "it fits"})).status_code == 201


async def test_keys_are_each_persons_own_and_end_with_the_batch(ground: Ground) -> None:
    user, other = await ground.user(), await ground.user()
    await ground.models("m")
    ids = [(await ground.create(who, await ground.file(who), key="k")).json()["id"] for who in (user, other)]
    assert len(set(ids)) == 2
    assert (await ground.house.call("DELETE", f"{BATCHES}/{ids[0]}", user)).status_code == 204
    assert (await ground.create(user, await ground.file(user), key="k")).status_code == 201


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_odd_keys(ground: Ground, key: str) -> None:
    answer = await ground.create(await ground.user(), "x", key=key)
    assert (answer.status_code, answer.json()["error"]["message"]) == (
        400, "Idempotency-Key: expected 1 to 255 characters"
    )  # fmt: skip


async def test_many_at_once_make_one(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    file_id = await ground.file(user)
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(ground.create(user, file_id, key="k")) for _ in range(5)]
    assert [call.result().status_code for call in calls] == [201] * 5
    assert len({call.result().json()["id"] for call in calls}) == 1
    assert await ground.database.fetch_value("select count(*) from files where batch_id is not null") == 2
