"""A batch's lines beside what came of them."""

import json
from typing import Any

import pytest

from dwctl.engine.batches import results as module
from dwctl.requests.queue.structs import Claimed
from dwctl.requests.record import State
from dwctl.server.asgi import ClientGone
from tests.control.house import House
from tests.engine.batches.ground import BATCHES, BODY, Ground


@pytest.fixture
def ground(house: House) -> Ground:
    return Ground(house)


VERDICTS = {0: State.COMPLETED, 1: State.FAILED, 2: State.CANCELED, 3: 0}


def verdict(claimed: Claimed) -> int:
    """The first four lines end in each way there is."""
    return VERDICTS.get(claimed.line or 0, State.COMPLETED)


async def test_while_it_runs(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 7)
    await ground.queue.populate(batch_id, 6)
    assert [line["status"] for line in await ground.results(user, batch_id)] == ["pending"] * 7
    assert [line["id"] is None for line in await ground.results(user, batch_id)] == [False] * 6 + [True]
    await ground.populate(batch_id)
    claimed = await ground.claim(5)
    await ground.settle(claimed[:4], verdict)
    answer = await ground.raw_results(user, batch_id)
    assert (answer.headers["x-incomplete"], answer.headers["x-last-line"]) == ("true", "7")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = await ground.results(user, batch_id)
    assert [line["status"] for line in lines] == [
        "completed", "failed", "canceled", "pending", "in_progress", "pending", "pending"
    ]  # fmt: skip
    assert [line["custom_id"] for line in lines] == [f"line-{n}" for n in range(7)]
    assert list(lines[0]) == ["id", "custom_id", "model", "input_body", "response_body", "error", "status"]
    assert lines[0] == {
        "id": str(claimed[0].id), "custom_id": "line-0", "model": "m", "input_body": json.loads(BODY),
        "response_body": {"answer": 0}, "error": None, "status": "completed",
    }  # fmt: skip
    assert (lines[1]["response_body"], lines[1]["error"]) == ({"answer": 1}, "The model server answered 500.")
    assert (lines[4]["response_body"], lines[4]["error"]) == (None, None)


@pytest.mark.parametrize("small", [False, True])
async def test_every_part_is_a_part_of_the_whole(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, small: bool
) -> None:
    """Also where pages are small in lines, in bytes, and in what is looked through."""
    if small:
        monkeypatch.setattr(module, "PAGE", 3)
        monkeypatch.setattr(module, "PAGE_BYTES", 40)
        monkeypatch.setattr(module, "SCAN", 2)
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 12)
    await ground.run(batch_id, lambda claimed: State.FAILED if (claimed.line or 0) % 3 else State.COMPLETED)
    whole = await ground.results(user, batch_id)
    assert len(whole) == 12
    wanted: list[dict[str, Any]] = [{}, {"status": "failed"}, {"status": "completed"}, {"search": "LINE-1"}]
    for narrowed in wanted:
        fit = [
            line
            for line in whole
            if line["status"] == narrowed.get("status", line["status"])
            and narrowed.get("search", "").lower() in line["custom_id"]
        ]
        assert fit
        for skip in (0, 1, 2, 5, 20):
            for limit in (None, 0, 1, 4, 50):
                query = {**narrowed, "skip": skip} | ({} if limit is None else {"limit": limit})
                found = await ground.results(user, batch_id, **query)
                assert found == fit[skip : None if limit is None else skip + limit], query


async def test_headers_say_where_to_go_on(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 3)
    await ground.run(batch_id)
    for query, told in (({}, "3"), ({"limit": 2}, "2"), ({"skip": 2, "limit": 5}, "3"), ({"skip": 9}, "9")):
        answer = await ground.raw_results(user, batch_id, **query)
        assert (answer.headers["x-incomplete"], answer.headers["x-last-line"]) == ("false", told)
    assert "x-last-line" not in (await ground.raw_results(user, batch_id, search="x")).headers


async def test_unknown_statuses(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    answer = await ground.raw_results(user, await ground.made(user), status="done")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "status")


async def test_of_a_cancelled_batch_what_never_was_a_request(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 3)
    await ground.queue.populate(batch_id, 1)
    await ground.post(user, batch_id, "cancel")
    await ground.cancelled(batch_id)
    lines = await ground.results(user, batch_id, status="canceled")
    assert [(line["custom_id"], line["id"] is None) for line in lines] == [
        ("line-0", False), ("line-1", True), ("line-2", True)
    ]  # fmt: skip


async def test_of_a_deleted_file(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 3)
    await ground.run(batch_id)
    whole = await ground.results(user, batch_id)
    await ground.database.execute("update batches set file_id = null")
    await ground.database.execute("delete from file_lines")
    assert await ground.results(user, batch_id) == [{**line, "input_body": None} for line in whole]
    assert len(await ground.results(user, batch_id, status="completed", search="line-2")) == 1


async def test_bodies_of_any_kind_stay_on_their_line(ground: Ground) -> None:
    user = await ground.user()
    await ground.models("m")
    file_id = await ground.file(user, body=b'{\n "model": "m",\r\n "text": "\xe2\x80\xa8"\n}')
    batch_id = (await ground.create(user, file_id)).json()["id"]
    (line,) = (await ground.raw_results(user, batch_id)).content.split(b"\n")[:-1]
    assert json.loads(line)["input_body"] == {"model": "m", "text": "\u2028"}


async def test_a_client_that_leaves_is_no_fault(
    ground: Ground, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer ends where the client left, and nothing is logged."""
    user = await ground.user()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 3)
    sent: list[str] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            raise ClientGone("the client has left")

    path = f"{BATCHES}/{batch_id}/results"
    scope: Any = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"cookie", user.headers["cookie"].encode())], "client": None, "server": None,
    }  # fmt: skip
    await house.app(scope, receive, send)
    assert sent == ["http.response.start", "http.response.body"]
    assert caplog.records == []
