"""Lines of batches in the list of calls."""

from datetime import datetime
from typing import Any

import pytest

from dwctl.core.ids import new_uuid
from dwctl.requests.queue.structs import Settled, Single
from dwctl.requests.record import State
from tests.control.house import House, Person
from tests.engine.batches.ground import BODY, CHAT, Ground, completed, failed, later


@pytest.fixture
def ground(house: House) -> Ground:
    return Ground(house)


async def logged(ground: Ground, who: Person, query: str) -> list[dict[str, Any]]:
    answer = await ground.house.api("GET", f"/requests?limit=50&{query}", who)
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json()["entries"]
    return entries


async def test_by_batch_and_custom_id(ground: Ground) -> None:
    user, stranger, admin = await ground.user(), await ground.user(), await ground.house.admin()
    await ground.models("m", "n")
    batch_id = await ground.made(user, ["m", "n", "m"])
    other_id = await ground.made(user, ["m"])
    for one in (batch_id, other_id):
        await ground.populate(one)
    for who in (user, admin):
        found = await logged(ground, who, f"fusillade_batch_id={batch_id}")
        assert [entry["custom_id"] for entry in found] == ["line-2", "line-1", "line-0"]
        assert {entry["fusillade_batch_id"] for entry in found} == {str(batch_id)}
        assert {entry["status"] for entry in found} == {"queued"}
        found = await logged(ground, who, f"fusillade_batch_id={batch_id}&order_desc=false&model=m")
        assert [entry["custom_id"] for entry in found] == ["line-0", "line-2"]
        assert len(await logged(ground, who, "custom_id=line-0")) == 2
        assert len(await logged(ground, who, f"custom_id=line-0&fusillade_batch_id={other_id}")) == 1
        assert await logged(ground, who, "custom_id=line") == []
        assert await logged(ground, who, f"fusillade_batch_id={new_uuid()}") == []
    assert await logged(ground, stranger, f"fusillade_batch_id={batch_id}") == []


async def test_pages_of_a_batch_end_where_it_ends(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 5)
    await ground.populate(batch_id)
    found: list[str] = []
    cursor = ""
    while True:
        answer = await ground.house.api(
            "GET", f"/requests?fusillade_batch_id={batch_id}&limit=2{cursor and '&cursor=' + cursor}", user
        )
        page = answer.json()
        found += [entry["custom_id"] for entry in page["entries"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [f"line-{n}" for n in (4, 3, 2, 1, 0)]


async def test_a_single_call_by_its_group(ground: Ground) -> None:
    user = await ground.user()
    single = Single(
        id=new_uuid(), group_id=new_uuid(), tier="flex", path=CHAT, model="m", owner_id=user.id, creator_id=user.id,
        key_id=None, run_key_id=new_uuid(), completion_window="1h", deadline=later(), body=b"{}",
    )  # fmt: skip
    assert await ground.queue.enqueue([single])
    (entry,) = await logged(ground, user, f"fusillade_batch_id={single.group_id}")
    assert entry["id"] == f"resp_{single.id}"


async def detail(ground: Ground, who: Person, ident: object) -> dict[str, Any]:
    answer = await ground.house.api("GET", f"/requests/resp_{ident}", who)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def test_a_line_is_shown_with_its_bodies(ground: Ground) -> None:
    """What was asked lies in the file, what was answered with the batch; the request log has neither."""
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 3)
    await ground.populate(batch_id)
    (waiting, *_) = await logged(ground, user, f"fusillade_batch_id={batch_id}&custom_id=line-2")
    assert waiting["status"] == "queued"
    one, two, three = await ground.claim()
    for shown in (await detail(ground, user, three.id), *await logged(ground, user, "custom_id=line-2")):
        assert (shown["status"], shown["fusillade_batch_id"]) == ("in_progress", str(batch_id))
    running = await detail(ground, user, three.id)
    assert (running["request_body"], running["response_body"]) == (BODY.decode(), None)
    assert running["response"]["status"] == "in_progress"
    await ground.settle([one], completed)
    await ground.settle([two], failed)
    for line, (claimed, status) in enumerate([(one, "completed"), (two, "failed")]):
        shown = await detail(ground, user, claimed.id)
        assert (shown["status"], shown["custom_id"]) == (status, f"line-{line}")
        assert shown["request_body"] == BODY.decode()
        assert shown["response_body"] == f'{{"answer":{line}}}'
        assert (
            await ground.house.api("GET", f"/requests/{claimed.id}", await ground.user())
        ).status_code == 404
    file_id = (await ground.get(user, batch_id))["input_file_id"]
    assert (await ground.house.call("DELETE", f"/ai/v1/files/{file_id}", user)).status_code == 200
    shown = await detail(ground, user, one.id)
    assert (shown["request_body"], shown["response_body"]) == (None, '{"answer":0}')
    assert (await ground.house.call("DELETE", f"/ai/v1/batches/{batch_id}", user)).status_code == 204
    assert (await ground.house.api("GET", f"/requests/{one.id}", user)).status_code == 404


async def test_a_single_call_is_shown_with_its_bodies(ground: Ground) -> None:
    user = await ground.user()
    single = Single(
        id=new_uuid(), group_id=new_uuid(), tier="background", path=CHAT, model="m", owner_id=user.id,
        creator_id=user.id, key_id=None, run_key_id=new_uuid(), completion_window="24h", deadline=later(), body=BODY,
    )  # fmt: skip
    assert await ground.queue.enqueue([single])
    shown = await detail(ground, user, single.id)
    assert (shown["status"], shown["request_body"], shown["response_body"]) == ("queued", BODY.decode(), None)
    (claimed,) = await ground.claim()
    outcome: Settled = await ground.outcome(claimed, State.COMPLETED)
    await ground.queue.settle(ground.holder, [outcome])
    shown = await detail(ground, user, single.id)
    assert (shown["status"], shown["response_body"]) == ("completed", '{"answer":0}')


async def test_tries_and_times_of_a_queued_call_are_told(ground: Ground) -> None:
    user = await ground.user()
    deadline = later()
    single = Single(
        id=new_uuid(), group_id=new_uuid(), tier="background", path=CHAT, model="m", owner_id=user.id,
        creator_id=user.id, key_id=None, run_key_id=new_uuid(), completion_window="24h", deadline=deadline, body=BODY,
        background=True,
    )  # fmt: skip
    assert await ground.queue.enqueue([single])
    shown = await detail(ground, user, single.id)
    assert (shown["attempt"], shown["attempts"], shown["background"]) == (1, [], True)
    assert (shown["started_at"], shown["completed_at"]) == (None, None)
    assert datetime.fromisoformat(shown["deadline"]) == deadline
    (claimed,) = await ground.claim()
    began = (await detail(ground, user, single.id))["started_at"]
    assert datetime.fromisoformat(began) >= datetime.fromisoformat(shown["timestamp"])
    assert [entry["id"] for entry in await logged(ground, user, "status=active")] == [f"resp_{single.id}"]

    again = await ground.outcome(claimed, State.PENDING)
    await ground.queue.settle(ground.holder, [again])
    shown = await detail(ground, user, single.id)
    assert (shown["attempt"], shown["started_at"], shown["status"]) == (2, None, "queued")
    (first,) = shown["attempts"]
    assert (first["attempt"], first["status_code"]) == (1, 500)
    assert datetime.fromisoformat(first["started_at"]) < datetime.fromisoformat(first["ended_at"])

    await ground.database.execute("update queue set not_before = null where id = $1", single.id)
    (claimed,) = await ground.claim()
    await ground.settle([claimed])
    (shown,) = await logged(ground, user, "status=completed")
    assert (shown["id"], shown["attempt"]) == (f"resp_{single.id}", 2)
    assert shown["started_at"] < shown["completed_at"]
    assert await logged(ground, user, "status=active") == []
