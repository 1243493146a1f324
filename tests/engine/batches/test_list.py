"""Lists of batches."""

from typing import Any
from uuid import UUID

import pytest

from tests.control.house import House, Person
from tests.engine.batches.ground import BATCHES, CHAT, Ground, failed


@pytest.fixture
def ground(house: House) -> Ground:
    return Ground(house)


async def listed(ground: Ground, who: Person, **query: Any) -> Any:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    answer = await ground.house.call("GET", f"{BATCHES}?{asked}", who)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ids(ground: Ground, who: Person, **query: Any) -> list[UUID]:
    return [UUID(batch["id"]) for batch in (await listed(ground, who, **query))["data"]]


async def test_newest_first_in_pages(ground: Ground) -> None:
    user, stranger = await ground.user(), await ground.user()
    await ground.models("m")
    made = [await ground.made(user) for _ in range(5)][::-1]
    await ground.made(stranger)
    page = await listed(ground, user, limit=2)
    assert {key: page[key] for key in ("object", "first_id", "last_id", "has_more")} == {
        "object": "list", "first_id": str(made[0]), "last_id": str(made[1]), "has_more": True
    }  # fmt: skip
    found = await ids(ground, user, limit=2)
    # One that is deleted between two pages loses nothing.
    await ground.house.call("DELETE", f"{BATCHES}/{found[-1]}", user)
    while page["has_more"]:
        page = await listed(ground, user, limit=2, after=f"batch_{found[-1]}")
        found += [UUID(batch["id"]) for batch in page["data"]]
    assert found == made
    empty = await listed(ground, stranger, search="nothing has this name")
    assert (empty["data"], empty["first_id"], empty["last_id"], empty["has_more"]) == ([], None, None, False)


async def test_places_are_ones_own(ground: Ground) -> None:
    user, stranger = await ground.user(), await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user)
    for who, after in ((stranger, batch_id), (user, "x")):
        answer = await ground.house.call("GET", f"{BATCHES}?after={after}", who)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "after")


async def test_who_sees_whose(ground: Ground) -> None:
    user, other, manager = await ground.user(), await ground.user(), await ground.house.manager()
    await ground.models("m")
    own, foreign = await ground.made(user), await ground.made(other)
    assert await ids(ground, user) == [own]
    assert await ids(ground, manager) == [foreign, own]
    assert await ids(ground, manager, member_id=user.id) == [own]
    assert await ids(ground, user, member_id=other.id) == []
    assert (await ground.house.call("GET", BATCHES, await ground.house.person())).status_code == 403


async def test_by_status(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    done, broken, gone = await ground.made(user), await ground.made(user), await ground.made(user)
    await ground.run(done)
    await ground.run(broken, failed)
    await ground.post(user, gone, "cancel")
    waits = await ground.made(user)
    runs = await ground.made(user)
    await ground.populate(runs)
    expected: dict[str, list[UUID]] = {
        "completed": [done], "failed": [broken], "cancelled": [gone], "in_progress": [runs, waits], "expired": []
    }  # fmt: skip
    assert {status: await ids(ground, user, status=status) for status in expected} == expected
    await ground.cancelled(gone)
    assert await ids(ground, user, status="cancelled") == [gone]
    await ground.database.execute("update batches set expires_at = created_at")
    assert set(await ids(ground, user, status="expired")) == {done, broken, gone, runs, waits}
    for query in ("status=done", "status=validating&completion_window="):
        answer = await ground.house.call("GET", f"{BATCHES}?{query}", user)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith("Unknown batch status filter")


async def test_other_filters(ground: Ground) -> None:
    user, manager = await ground.user(), await ground.house.manager()
    await ground.models("m", "n")
    one = await ground.made(user, ["n"], metadata={"batch_description": "Tuesday's evaluation"})
    file_id = await ground.file(user)
    await ground.database.execute("update files set name = 'Translations.jsonl' where id = $1", file_id)
    two = UUID((await ground.create(manager, file_id, completion_window="1h")).json()["id"])
    await ground.database.execute("update batches set created_at = '2020-01-01T00:00:00Z' where id = $1", one)
    for query, expected in (
        ({"search": "EVALUATION"}, [one]),
        ({"search": "translations"}, [two]),
        ({"search": str(two)[5:20]}, [two]),
        ({"search": "100%25"}, []),
        ({"completion_window": "1h"}, [two]),
        ({"completion_window": "1h,24h"}, [two, one]),
        ({"completion_window": ""}, []),
        ({"endpoint": CHAT}, [two, one]),
        ({"endpoint": "/v1/embeddings"}, []),
        ({"model": "m"}, [two]),
        ({"model": "n"}, [one]),
        ({"model": "n", "completion_window": "1h"}, []),
        ({"created_before": "2021-01-01T00:00:00Z"}, [one]),
        ({"created_after": "2021-01-01T00:00:00Z"}, [two]),
        ({"created_after": "2020-01-01T00:00:00Z", "created_before": "2020-01-01T00:00:00Z"}, [one]),
    ):
        assert await ids(ground, manager, **query) == expected, query


async def test_analytics_when_they_are_asked_for(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    await ground.run(await ground.made(user))
    assert "analytics" not in (await listed(ground, user))["data"][0]
    (batch,) = (await listed(ground, user, include="analytics"))["data"]
    assert batch["analytics"] == await ground.get(user, UUID(batch["id"]), "/analytics")


async def test_those_that_go_on_come_first(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    made = [await ground.made(user) for _ in range(6)]
    await ground.run(made[0])
    await ground.run(made[3], failed)
    await ground.post(user, made[4], "cancel")
    expected = [made[5], made[2], made[1], made[4], made[3], made[0]]
    for limit in (1, 2, 3, 4, 6, 10):
        found: list[UUID] = []
        more = True
        while more:
            query: dict[str, Any] = {"active_first": "true", "limit": limit}
            if found:
                query["after"] = found[-1]
            page = await listed(ground, user, **query)
            found += [UUID(batch["id"]) for batch in page["data"]]
            more = page["has_more"]
        assert found == expected, limit


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (-5, 1), (101, 101), (1000, 101)])
async def test_the_length_of_a_page_is_clamped(ground: Ground, asked: int, given: int) -> None:
    user = await ground.user()
    await ground.models("m")
    await ground.made(user)
    await ground.database.execute(
        """insert into batches (id, owner_id, creator_id, run_key_id, endpoint, completion_window, output_file_id,
            error_file_id, expires_at, total, first_id, last_id)
        select gen_random_uuid(), $1, $1, $1, '', '24h', $1, $1, now(), 1, $1, $1 from generate_series(1, 110)""",
        user.id,
    )
    assert len(await ids(ground, user, limit=asked)) == given
