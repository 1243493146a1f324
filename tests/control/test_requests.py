"""The list of recorded calls: whose they are, in pages, narrowed; and one call with its bodies."""

import itertools
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from dwctl.control.requests.actions import MAX_SKIP, Recorded, RequestActions
from dwctl.control.requests.store import RequestLog
from dwctl.control.requests.structs import Entry, RequestDetail
from dwctl.core.clock import SystemClock
from dwctl.core.errors import Unavailable
from dwctl.core.ids import least_of, moment_of, new_id
from dwctl.db.postgres import Database
from dwctl.identity.principal import NIL
from dwctl.requests.events.store import EventStore
from dwctl.requests.record import State, ToolCalled
from dwctl.requests.store import RequestStore
from tests.control.house import House, Person, Settled

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def at(seconds: float, low: int = 0) -> UUID:
    """The id of a call so long after `START`."""
    return UUID(int=least_of(int((START.timestamp() + seconds) * 1000)).int + low)


def shown(answer: httpx.Response) -> list[str]:
    """The ids of a page."""
    assert answer.status_code == 200, answer.text
    return [entry["id"] for entry in answer.json()["entries"]]


def public(*ids: UUID) -> list[str]:
    """Ids as they are shown."""
    return [f"resp_{ident}" for ident in ids]


async def pages(house: House, who: Person, query: str) -> list[list[str]]:
    """Every page, following the cursor."""
    found = []
    cursor = ""
    for _ in range(100):
        answer = await house.api("GET", f"/requests?{query}{cursor}", who)
        found.append(shown(answer))
        if answer.json()["next_cursor"] is None:
            return found
        cursor = f"&cursor={answer.json()['next_cursor']}"
    raise AssertionError("the pages have no end")


async def test_an_entry_tells_the_call_and_what_it_belongs_to(house: House) -> None:
    owner, admin = await house.person(), await house.admin()
    key_id, _ = await house.key(owner)
    endpoint_id = await house.endpoint("http://127.0.0.1:9/v1")
    ident = await house.request(
        owner,
        key_id,
        stream=True,
        model="llama",
        endpoint_id=str(endpoint_id),
        target_model="llama-upstream",
        upstream_status=200,
        first_byte_ms=3.25,
        overhead_ms=0.1,
        prompt_tokens=3,
        completion_tokens=4,
        reasoning_tokens=1,
        cached_tokens=2,
        cache_write_tokens=1,
        total_tokens=7,
        audio_seconds=8.5,
        estimated=True,
        tariff_id=str(NIL),
        cost=Decimal("0.0000120"),
        request_size=10,
        response_size=20,
        finish_reason="stop",
        user_agent="curl/8",
    )
    (entry,) = (await house.api("GET", "/requests", admin)).json()["entries"]
    (key,) = (await house.api("GET", f"/users/{owner.id}/api-keys", admin)).json()["data"]
    moment = datetime.fromisoformat(entry.pop("timestamp"))
    assert datetime.fromisoformat(entry.pop("started_at")) == moment
    assert datetime.fromisoformat(entry.pop("completed_at")) > moment
    assert abs(moment.timestamp() * 1000 - moment_of(ident)) < 2
    assert entry == {
        "id": f"resp_{ident}",
        "status": "completed",
        "method": "POST",
        "uri": "/ai/v1/chat/completions",
        "model": "llama",
        "response_type": "chat_completion_stream",
        "streamed": True,
        "status_code": 200,
        "duration_ms": 12.5,
        "duration_to_first_byte_ms": 3.25,
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "reasoning_tokens": 1,
        "cached_tokens": 2,
        "cache_write_tokens": 1,
        "total_tokens": 7,
        "audio_seconds": 8.5,
        "usage_estimated": True,
        "tariff_id": str(NIL),
        "total_cost": "0.000012",
        "finish_reason": "stop",
        "error_code": None,
        "error_message": None,
        "service_tier": "default",
        "request_size": 10,
        "response_size": 20,
        "user_agent": "curl/8",
        "user_id": str(owner.id),
        "user_email": owner.email,
        "key_id": str(key_id),
        "key_name": key["name"],
        "key_prefix": key["key_prefix"],
        "endpoint_id": str(endpoint_id),
        "endpoint_name": (await house.api("GET", f"/endpoints/{endpoint_id}", admin)).json()["name"],
        "target_model": "llama-upstream",
        "upstream_status": 200,
        "overhead_ms": 0.1,
        "fusillade_batch_id": None,
        "custom_id": None,
        "background": False,
        "attempt": 1,
        "deadline": None,
    }
    # Where a call went is for those who may read endpoints.
    for who in (owner, await house.person("RequestViewer")):
        (entry,) = (await house.api("GET", "/requests", who)).json()["entries"]
        hidden = ("endpoint_id", "endpoint_name", "target_model", "upstream_status", "overhead_ms")
        assert [entry[name] for name in hidden] == [None] * len(hidden)


async def test_a_call_tells_which_tools_it_called(house: House) -> None:
    owner = await house.person()
    key_id, _ = await house.key(owner)
    source = new_id()
    called = [
        ToolCalled(
            source_id=source,
            name="weather",
            outcome=outcome,
            latency_ms=12.3,
            item_id=item,
            ended_at=START.timestamp() + 1,
        )
        for outcome, item in (("ok", "mcp_1"), ("timeout", "mcp_2"))
    ]
    ident = await house.request(owner, key_id, path="/v1/responses", tool_calls=called)
    shown = {"attempt": 1, "name": "weather", "latency_ms": 12.3, "ended_at": "2026-03-01T12:00:01Z"}
    expected = [
        {**shown, "outcome": outcome, "item_id": item}
        for outcome, item in (("ok", "mcp_1"), ("timeout", "mcp_2"))
    ]
    # Where a tool is, is for those who may read tool sources.
    for who, seen in (
        (owner, None),
        (await house.person("RequestViewer"), None),
        (await house.admin(), source),
    ):
        detail = (await house.api("GET", f"/requests/{ident}", who)).json()
        assert detail["tool_calls"] == [{**each, "tool_source_id": seen} for each in expected]
    other = await house.api("GET", f"/requests/{ident}", await house.person())
    assert other.status_code == 404
    plain = await house.request(owner, key_id, path="/v1/responses")
    assert (await house.api("GET", f"/requests/{plain}", owner)).json()["tool_calls"] == []


async def test_a_call_of_a_session_names_no_key(house: House) -> None:
    person = await house.person()
    ident = await house.request(person, await house.hidden_key(person, "playground"))
    (listed,) = (await house.api("GET", "/requests", person)).json()["entries"]
    alone = (await house.api("GET", f"/requests/{ident}", person)).json()
    for entry in (listed, alone):
        assert [entry[name] for name in ("key_id", "key_name", "key_prefix")] == [None] * 3
    assert listed["user_id"] == str(person.id)


async def test_a_running_call_is_shown_without_what_is_not_known_yet(house: House) -> None:
    admin = await house.admin()
    key_id, _ = await house.key(admin)
    await house.request(admin, key_id, state=State.PROCESSING, path="/v1/something/new")
    (entry,) = (await house.api("GET", "/requests", admin)).json()["entries"]
    assert (entry["status"], entry["status_code"], entry["duration_ms"]) == ("in_progress", None, None)
    assert entry["response_type"] == "other"


async def test_what_a_call_belonged_to_may_be_gone(house: House) -> None:
    admin, owner = await house.admin(), await house.person()
    key_id, _ = await house.key(owner)
    ident = await house.request(owner, key_id, endpoint_id=str(NIL))
    await house.api("DELETE", f"/users/{owner.id}/api-keys/{key_id}", admin)
    await house.api("DELETE", f"/users/{owner.id}", admin)
    (entry,) = (await house.api("GET", "/requests", admin)).json()["entries"]
    assert (entry["id"], entry["endpoint_name"]) == (f"resp_{ident}", None)


async def test_everybody_sees_their_own_calls_and_viewers_see_all(house: House) -> None:
    one, other, manager = await house.person(), await house.person(), await house.manager()
    calls = {}
    for person in (one, other, manager):
        key_id, _ = await house.key(person)
        calls[person.id] = await house.request(person, key_id, bodies=(b'{"secret": 1}', b"{}"))
    everything = public(*reversed(calls.values()))
    for who in (one, other, manager):
        assert shown(await house.api("GET", "/requests", who)) == public(calls[who.id])
    for who in (await house.admin(), await house.person("RequestViewer")):
        assert shown(await house.api("GET", "/requests", who)) == everything
        answer = await house.api("GET", f"/requests?user_id={one.id}", who)
        assert shown(answer) == public(calls[one.id])
    assert shown(await house.api("GET", f"/requests?user_id={one.id}", one)) == public(calls[one.id])
    refused = await house.api("GET", f"/requests?user_id={one.id}", other)
    assert (refused.status_code, refused.text) == (403, "Insufficient permissions to Read Requests")
    # The bodies follow the same rule, and what is not shown does not exist.
    for who, status in ((one, 200), (other, 404), (manager, 404), (await house.admin(), 200)):
        answer = await house.api("GET", f"/requests/resp_{calls[one.id]}", who)
        assert answer.status_code == status, who
        assert ("secret" in answer.text) == (status == 200)
    _, platform = await house.key(one, "platform")
    assert shown(await house.api("GET", "/requests", platform)) == public(calls[one.id])


async def test_pages_meet_without_gap_or_overlap_in_both_directions(house: House) -> None:
    admin = await house.admin()
    key_id, _ = await house.key(admin)
    # Several in one millisecond, and some on other days.
    moments = [*itertools.product((0, 0.001, 5, 90_000, 200_000, 9_000_000), range(3))]
    ids = [await house.request(admin, key_id, id=at(seconds, low)) for seconds, low in moments]
    down = await pages(house, admin, "limit=4")
    assert [len(page) for page in down] == [4, 4, 4, 4, 2]
    assert [*itertools.chain(*down)] == public(*reversed(ids))
    up = await pages(house, admin, "limit=4&order_desc=false")
    assert [*itertools.chain(*up)] == public(*ids)
    # A page that is exactly full and the last has no next one.
    assert len(await pages(house, admin, "limit=18")) == 1
    # New calls do not shift the pages that are being read.
    first = await house.api("GET", "/requests?limit=4", admin)
    await house.request(admin, key_id)
    answer = await house.api("GET", f"/requests?limit=4&cursor={first.json()['next_cursor']}", admin)
    assert shown(answer) == down[1]


async def test_the_contracts_offset_is_taken_up_to_a_bound(house: House) -> None:
    admin = await house.admin()
    key_id, _ = await house.key(admin)
    ids = [await house.request(admin, key_id) for _ in range(5)]
    answer = await house.api("GET", "/requests?skip=2&limit=2", admin)
    assert shown(answer) == public(ids[2], ids[1])
    follow = await house.api("GET", f"/requests?cursor={answer.json()['next_cursor']}", admin)
    assert shown(follow) == public(ids[0])
    assert shown(await house.api("GET", "/requests?skip=-3&limit=0", admin)) == public(ids[4])
    assert shown(await house.api("GET", f"/requests?skip={MAX_SKIP}", admin)) == []
    refused = await house.api("GET", f"/requests?skip={MAX_SKIP + 1}", admin)
    assert refused.status_code == 400
    assert refused.text == "skip: expected at most 10000, got 10001; go on with cursor"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("model=a", [0, 2, 4]),
        ("model=nothing", []),
        ("status_code=200", [0, 3]),
        ("status_code_min=400", [1, 2, 4]),
        ("status_code_min=400&status_code_max=499", [1, 4]),
        ("status_code_max=200", [0, 3]),
        ("status=failed", [2]),
        ("status=completed", [0, 1, 3, 4]),
        ("status=cancelled", []),
        ("status=active", []),
        ("service_tier=flex", [1, 4]),
        ("service_tier=default&model=b", [3]),
        ("background=true", [3, 4]),
        ("background=false&status=completed", [0, 1]),
        ("status_code=99999999999", []),
        ("min_duration_ms=200", [1, 2, 3, 4]),
        ("max_duration_ms=200.5", [0, 1]),
        ("min_duration_ms=200&max_duration_ms=300", [1, 2]),
        ("uri_pattern=/ai/v1/emb%25", [3]),
        ("uri_pattern=%25/completions", [0, 1, 2, 4]),
        ("uri_pattern=completions", []),
        ("method=POST", [0, 1, 2, 3, 4]),
        ("method=post&model=b", [1, 3]),
        ("method=GET", []),
        ("custom_id=x", []),
        (f"fusillade_batch_id={NIL}", []),
        ("timestamp_after=2026-03-01T12:00:20Z", [2, 3, 4]),
        ("timestamp_before=2026-03-01T12:00:20Z", [0, 1, 2]),
        ("timestamp_after=2026-03-01T13:00:10%2B01:00&timestamp_before=2026-03-01T12:00:30", [1, 2, 3]),
        ("timestamp_after=2026-03-02T12:00:20Z&timestamp_before=2026-03-01T12:00:20Z", []),
        ("timestamp_before=0001-01-01T00:00:00Z", []),
        ("timestamp_after=9999-12-31T23:59:59Z", []),
        ("model=a&status_code_min=400&timestamp_after=2026-03-01T12:00:30Z", [4]),
    ],
)
async def test_filters(house: House, query: str, expected: list[int]) -> None:
    owner = await house.person()
    key_id, _ = await house.key(owner)
    ids = []
    for number, status in enumerate((200, 404, 500, 200, 429)):
        path = "/v1/embeddings" if number == 3 else "/v1/chat/completions"
        fields: dict[str, Any] = {
            "model": "ab"[number % 2],
            "path": path,
            "duration_ms": 100.0 * (number + 1),
            "service_tier": "flex" if number % 3 == 1 else "default",
            "background": number > 2,
            "state": State.FAILED if number == 2 else State.COMPLETED,
        }
        ids.append(await house.request(owner, key_id, id=at(10 * number), status_code=status, **fields))
    wanted = public(*(ids[number] for number in expected))
    # The administrator's calls of a model, everybody's, and one's own are read along different indexes.
    for who in (await house.admin(), owner):
        assert shown(await house.api("GET", f"/requests?{query}", who)) == [*reversed(wanted)]
        assert shown(await house.api("GET", f"/requests?order_desc=false&{query}", who)) == wanted


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("cursor=resp_x", "cursor: expected a next_cursor of this list, got 'resp_x'"),
        ("cursor=%C3%A4", "cursor: expected a next_cursor of this list, got 'ä'"),
        ("uri_pattern=%5C", "uri_pattern: expected a character after the last backslash"),
        ("timestamp_after=yesterday", "timestamp_after: "),
        ("user_id=me", "user_id: "),
        ("status=done", "status: expected one of active, completed, failed, cancelled, got 'done'"),
    ],
)
async def test_what_cannot_be_read_is_named(house: House, query: str, text: str) -> None:
    admin = await house.admin()
    await house.request(admin, NIL)
    answer = await house.api("GET", f"/requests?{query}", admin)
    assert answer.status_code == 400
    assert answer.text.startswith(text)


async def test_one_call_with_its_bodies(house: House) -> None:
    owner = await house.person()
    key_id, _ = await house.key(owner)
    asked = b'{"model": "m", "messages": [{"role": "user", "content": "Hello"}]}'
    told = json.dumps({"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}).encode()
    ident = await house.request(owner, key_id, bodies=(asked, told))
    for form in (f"resp_{ident}", str(ident)):
        detail = (await house.api("GET", f"/requests/{form}", owner)).json()
        assert (detail["request_body"], detail["response_body"]) == (asked.decode(), told.decode())
        assert detail["response"]["output"][0]["content"][0]["text"] == "Hi"
    (entry,) = (await house.api("GET", "/requests", owner)).json()["entries"]
    assert {name: detail[name] for name in entry} == entry
    names = {field.name for field in msgspec.structs.fields(RequestDetail)}
    assert set(detail) == names > {field.name for field in msgspec.structs.fields(Entry)}


async def test_bodies_that_are_no_text_or_were_not_kept(house: House) -> None:
    owner = await house.person()
    odd = await house.request(owner, NIL, bodies=(b"\xff{", b"\x00"))
    detail = (await house.api("GET", f"/requests/{odd}", owner)).json()
    assert (detail["request_body"], detail["response_body"]) == ("\N{REPLACEMENT CHARACTER}{", "\0")
    await house.database.execute("delete from request_bodies")
    detail = (await house.api("GET", f"/requests/{odd}", owner)).json()
    assert (detail["request_body"], detail["response_body"]) == (None, None)


@pytest.mark.parametrize("name", ["resp_0199e1c2-5f6a-7b3c-8d4e-5f60718293a4", "resp_", "x", "%20", "%00"])
async def test_an_unknown_call_is_not_found(house: House, name: str) -> None:
    answer = await house.api("GET", f"/requests/{name}", await house.admin())
    assert answer.status_code == 404


class Late:
    """The row is on its way, and is here once somebody waits for it."""

    def __init__(self, house: House, owner: Person, ident: UUID, *, settles: bool = True) -> None:
        self._house = house
        self._owner = owner
        self._ident = ident
        self._settles = settles

    async def flush(self) -> bool:
        """Commit it."""
        if self._settles:
            await self._house.request(self._owner, NIL, id=self._ident)
        return self._settles


async def test_a_call_that_was_just_made_is_waited_for(house: House, database: Database) -> None:
    owner = await house.person()

    def actions(recorded: Recorded) -> RequestActions:
        return RequestActions(
            RequestLog(database, SystemClock()), RequestStore(database), EventStore(database), recorded
        )

    ident = at(0)
    assert (await actions(Late(house, owner, ident)).get(owner.principal, str(ident))).status == "completed"
    running = await house.request(owner, NIL, id=at(1), state=State.PROCESSING)
    assert (
        await actions(Late(house, owner, running)).get(owner.principal, str(running))
    ).status == "completed"
    with pytest.raises(Unavailable, match="on their way"):
        await actions(Late(house, owner, at(2), settles=False)).get(owner.principal, str(at(2)))
    # What is there is shown, however long the rest takes.
    running = await house.request(owner, NIL, id=at(3), state=State.PROCESSING)
    slow = await actions(Late(house, owner, running, settles=False)).get(owner.principal, str(running))
    assert slow.status == "in_progress"
    assert await Settled().flush()


async def test_a_realtime_session_is_the_one_call_made_with_get(house: House) -> None:
    owner = await house.person()
    key_id, _ = await house.key(owner)
    spoken = await house.request(owner, key_id, path="/v1/realtime", stream=True)
    written = await house.request(owner, key_id)
    entry = (await house.api("GET", f"/requests/{spoken}", owner)).json()
    assert (entry["method"], entry["uri"], entry["response_type"]) == (
        "GET",
        "/ai/v1/realtime",
        "realtime_stream",
    )
    for query, expected in (
        ("method=GET", public(spoken)),
        ("method=POST", public(written)),
        ("method=GET&uri_pattern=%25", public(spoken)),
        ("method=GET&uri_pattern=%25completions", []),
        ("method=PUT", []),
    ):
        assert shown(await house.api("GET", f"/requests?{query}", owner)) == expected, query
