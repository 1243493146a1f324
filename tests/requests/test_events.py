"""Event logs: numbers, pieces, cuts, and who may write (decision 0039)."""

import asyncio
import json
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.engine.responses.streams import joined
from dwctl.requests.events.chunks import chunked
from dwctl.requests.events.numbering import FIRST, Numbering, event
from dwctl.requests.events.store import EventStore, Piece, payloads
from dwctl.requests.events.unfolding import closing, opening, unfolded
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import Single
from dwctl.requests.queue.windows import deadline_of
from dwctl.requests.reassemble import whole_reply
from dwctl.requests.record import State
from dwctl.requests.store import RequestStore, StoredRequest
from dwctl.wire.hosted import call_item
from dwctl.wire.sse import data_of, events
from tests.fakes.answers import frames
from tests.fakes.shapes import chat_completion, response_events
from tests.requests.queue.work import outcome
from tests.wire.open_responses import Rebuilt

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def shown(data: bytes) -> list[dict[str, Any]]:
    """The data of each event; its name is that of its data, and it ends on one line."""
    found = []
    for each in events(data):
        value = json.loads(data_of(each))
        assert each == b"event: %b\ndata: %b\n\n" % (value["type"].encode(), data_of(each))
        found.append(value)
    return found


# What the model server says


def test_its_events_get_our_numbers_and_lose_its_ends() -> None:
    numbering = Numbering({"model": "alias", "background": True})
    said = response_events("fake-model", ["a", "b"])
    assert said[0]["type"] == "response.created"
    assert said[-1]["type"] == "response.completed"
    found = shown(b"".join(numbering.feed(b"".join(frames(said, named=True)))))
    between = [one for one in said[1:-1] if one["type"] != "response.queued"]
    assert [one["type"] for one in found] == [one["type"] for one in between]
    assert [one["sequence_number"] for one in found] == list(range(FIRST, FIRST + len(between)))
    assert numbering.ended
    begun = next(one for one in found if "response" in one)
    assert (begun["response"]["model"], begun["response"]["background"]) == ("alias", True)
    for ours, theirs in zip(found, between, strict=True):
        plain = {name: value for name, value in theirs.items() if name not in ("sequence_number", "response")}
        assert {name: ours[name] for name in plain} == plain


@pytest.mark.parametrize(
    "data",
    [
        b": keep-alive\n\n",
        b"data: [DONE]\n\n",
        b"data: {broken\n\n",
        b'data: {"type":7}\n\n',
        b'data: {"no":"type"}\n\n',
        b'data: {"type":"a\\nb"}\n\n',
        b"data: \xff\n\n",
        b"event: response.output_text.delta\n\n",
        b'data: {"type":"response.created","response":{}}\n\n',
    ],
)
def test_what_is_no_event_of_a_response_takes_no_number(data: bytes) -> None:
    numbering = Numbering({})
    assert numbering.feed(data) == []
    assert shown(b"".join(numbering.feed(b'data: {"type":"x"}\n\n'))) == [
        {"type": "x", "sequence_number": FIRST}
    ]


def test_data_on_several_lines_goes_on_one() -> None:
    said = b'event: x\ndata: {"type":"x",\ndata: "delta":{\ndata: "a":"b"}}\n\n'
    assert shown(b"".join(Numbering({}).feed(said))) == [
        {"type": "x", "delta": {"a": "b"}, "sequence_number": FIRST}
    ]


@pytest.mark.parametrize("kind", ["response.completed", "response.failed", "response.incomplete", "error"])
def test_nothing_comes_after_the_last_event(kind: str) -> None:
    numbering = Numbering({})
    said = b"".join(frames([{"type": "x"}, {"type": kind}, {"type": "y"}], named=True))
    assert [one["type"] for one in shown(b"".join(numbering.feed(said)))] == ["x"]
    assert numbering.feed(b'data: {"type":"z"}\n\n') == []


# Cuts


@given(
    st.lists(texts, min_size=1, max_size=12),
    st.lists(st.integers(1, 4), min_size=1),
    st.integers(0, 20),
    st.data(),
)
def test_wherever_it_is_cut_nothing_is_missed_or_repeated(
    said: list[str], sizes: list[int], after: int, data: st.DataObject
) -> None:
    log = [event("x", msgspec.json.encode({"type": "x", "delta": each})) for each in said]
    pieces, at, turn = [], 0, 0
    while at < len(log):
        size = sizes[turn % len(sizes)]
        group = log[at : at + size]
        pieces.append((FIRST + at, FIRST + at + len(group) - 1, b"".join(group)))
        at, turn = at + len(group), turn + 1
    end = FIRST + len(log) - 1
    after = min(max(after, FIRST - 1), end)
    cut = data.draw(st.integers(after, end))

    def behind(number: int) -> bytes:
        return joined([piece for piece in pieces if piece[1] > number], number)

    until = b"".join(log[after - FIRST + 1 : cut - FIRST + 1])
    assert until + behind(cut) == behind(after) == b"".join(log[after - FIRST + 1 :])


# What is made here


def row(**fields: Any) -> StoredRequest:
    """A call that has completed."""
    reply = whole_reply(b"".join(frames(response_events("up", ["Hello", " you"]), named=True)))
    known: dict[str, Any] = dict.fromkeys(StoredRequest.__struct_fields__)
    moment = msgspec.convert("2026-01-01T00:00:00Z", type=datetime)
    known |= {
        "id": new_uuid(), "attempt": 1, "state": State.COMPLETED, "stream": True, "background": True,
        "created_at": moment, "completed_at": moment, "owner_id": new_uuid(), "creator_id": new_uuid(),
        "path": "/v1/responses", "model": "alias", "service_tier": "default", "running": False,
        "request": b'{"model":"alias","input":"x"}', "response": msgspec.json.encode(reply),
    }  # fmt: skip
    return StoredRequest(**(known | fields))


@pytest.mark.parametrize(
    ("fields", "kind", "status"),
    [
        ({}, "response.completed", "completed"),
        ({"state": State.FAILED, "status_code": 500, "response": None}, "response.failed", "failed"),
        ({"state": State.CANCELED, "response": None}, "response.incomplete", "cancelled"),
        (
            {"response": msgspec.json.encode(chat_completion("m", "x", finish_reason="length"))},
            "response.incomplete", "incomplete",
        ),
    ],
)  # fmt: skip
def test_every_end_has_its_event(fields: dict[str, Any], kind: str, status: str) -> None:
    (last,) = shown(closing(row(**fields), 9))
    assert (last["type"], last["sequence_number"], last["response"]["status"]) == (kind, 9, status)


def test_the_first_two_are_the_same_whatever_became_of_the_call() -> None:
    known = row()
    first = shown(opening(known, -1))
    assert [(one["type"], one["sequence_number"]) for one in first] == [
        ("response.created", 0), ("response.queued", 1)
    ]  # fmt: skip
    assert {one["response"]["status"] for one in first} == {"queued"}
    waiting = msgspec.structs.replace(known, state=State.PENDING, response=None, completed_at=None)
    assert opening(waiting, -1) == opening(known, -1)
    assert shown(opening(known, 0)) == first[1:]
    assert opening(known, 1) == b""


@pytest.mark.parametrize("answer", ["responses", "chat"])
def test_an_unfolded_answer_says_what_the_whole_one_does(answer: str) -> None:
    known = row()
    if answer == "chat":
        known = row(response=msgspec.json.encode(chat_completion("m", "Hello you")))
    found = shown(b"".join(unfolded(known, FIRST)))
    assert [one["sequence_number"] for one in found] == list(range(FIRST, FIRST + len(found)))
    assert (
        "".join(one["delta"] for one in found if one["type"] == "response.output_text.delta") == "Hello you"
    )
    items = [one["item"] for one in found if one["type"] == "response.output_item.done"]
    assert items == shown(closing(known, 1))[0]["response"]["output"]
    assert found[0]["response"]["status"] == "in_progress"


def test_unfolded_reasoning_and_refusals() -> None:
    output = [
        {"id": "rs", "type": "reasoning", "summary": [{"type": "summary_text", "text": "why"}],
         "content": [{"type": "reasoning_text", "text": "because"}]},
        {"id": "m", "type": "message", "role": "assistant", "status": "completed",
         "content": [{"type": "refusal", "refusal": "no"}]},
        {"id": "ws", "type": "web_search_call", "status": "completed"},
    ]  # fmt: skip
    known = row(response=msgspec.json.encode({"object": "response", "output": output}))
    kinds = [one["type"].removeprefix("response.") for one in shown(b"".join(unfolded(known, FIRST)))]
    assert kinds == [
        "in_progress",
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.done", "reasoning_summary_part.done", "reasoning_text.delta", "reasoning_text.done",
        "output_item.done",
        "output_item.added", "content_part.added", "refusal.delta", "refusal.done", "content_part.done",
        "output_item.done",
        "output_item.added", "output_item.done",
    ]  # fmt: skip


@pytest.mark.parametrize("status", ["completed", "failed", "incomplete"])
def test_unfolded_calls_of_the_servers_tools(status: str) -> None:
    item = {**call_item("mcp_1", {"name": "weather", "arguments": "{}"}), "status": status, "output": "sun"}
    known = row(response=msgspec.json.encode({"object": "response", "output": [item]}))
    put = Rebuilt()
    for one in shown(b"".join(unfolded(known, FIRST)))[1:]:
        put.feed(one)
    assert (put.items, put.done) == ([item], {0})


@given(texts, st.booleans())
def test_a_chat_in_chunks_is_the_chat_again(text: str, usage: bool) -> None:
    whole = chat_completion("m", text)
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    whole["choices"][0]["message"]["tool_calls"] = calls
    made = whole_reply(chunked(msgspec.json.encode(whole), "resp_1", usage=usage))
    assert made is not None
    message = made["choices"][0]["message"]
    assert (message["content"] or "", message["tool_calls"]) == (text, calls)
    assert made["choices"][0]["finish_reason"] == "stop"
    assert made["id"] == "resp_1"
    assert made["usage"] == (whole["usage"] if usage else None)


# Who may write


async def queued(database: Database) -> UUID:
    """A background stream that waits."""
    single = Single(
        id=new_uuid(),
        group_id=new_uuid(),
        tier="background",
        path="/v1/responses",
        model="m",
        owner_id=new_uuid(),
        creator_id=new_uuid(),
        key_id=None,
        run_key_id=new_uuid(),
        completion_window="0s",
        deadline=deadline_of("0s"),
        body=b'{"model":"m","input":"x"}',
        stream=True,
    )
    assert await QueueStore(database).enqueue([single])
    return single.id


async def held(database: Database, holder: UUID, count: int = 1) -> list[UUID]:
    """Background streams that a process runs."""
    queue = QueueStore(database)
    made = [await queued(database) for _ in range(count)]
    claimed = await queue.claim(holder, {lane.id: count for lane in await queue.lanes()})
    assert {one.id for one in claimed} == set(made)
    assert all(one.logged for one in claimed)
    return made


def piece(request_id: UUID, first: int = FIRST, count: int = 1, attempt: int = 1) -> Piece:
    """Some events."""
    data = b"".join(event("x", b'{"n":%d}' % number) for number in range(first, first + count))
    return Piece(request_id, attempt, first, first + count - 1, data)


async def test_pieces_are_read_back_behind_any_number(database: Database) -> None:
    store, holder = EventStore(database), new_uuid()
    (one,) = await held(database, holder)
    pieces = [piece(one, 2, 3), piece(one, 5, 1), piece(one, 6, 2)]
    assert await store.append(holder, pieces) == {one}
    whole = [(each.first, each.last, each.events) for each in pieces]
    nobody = new_uuid()
    found = await store.read([(one, after) for after in range(1, 9)] + [(nobody, 1)], 10)
    assert [standing.pieces for standing in found[:-1]] == [
        whole, whole, whole, whole[1:], whole[2:], whole[2:], [], []
    ]  # fmt: skip
    assert {standing.state for standing in found[:-1]} == {State.PENDING}
    assert found[-1].state is None
    assert (await store.read([(one, 1)], 2))[0].pieces == whole[:2]
    assert await store.last(one) == 7


async def test_an_append_that_is_repeated_changes_nothing(database: Database) -> None:
    store, holder = EventStore(database), new_uuid()
    (one,) = await held(database, holder)
    for _ in range(2):
        assert await store.append(holder, [piece(one)]) == {one}
    assert await database.fetch_value("select count(*) from response_events") == 1


@pytest.mark.parametrize("wrong", ["holder", "attempt", "nobody"])
async def test_only_who_holds_the_call_writes(database: Database, wrong: str) -> None:
    store, holder = EventStore(database), new_uuid()
    one = await queued(database) if wrong == "nobody" else (await held(database, holder))[0]
    attempt = 2 if wrong == "attempt" else 1
    who = new_uuid() if wrong == "holder" else holder
    assert await store.append(who, [piece(one, attempt=attempt)]) == set()
    assert await database.fetch_value("select count(*) from response_events") == 0


async def test_of_a_dead_process_what_was_shown_ends_and_the_rest_runs_again(database: Database) -> None:
    store, queue, requests, holder = (
        EventStore(database),
        QueueStore(database),
        RequestStore(database),
        new_uuid(),
    )
    calls = await held(database, holder, 6)
    shown_of, others = calls[:4], calls[4:]
    await store.append(holder, [piece(each) for each in shown_of])
    # Steps smaller than what there is.
    while await queue.rescue(holder, 3):
        pass
    for each in shown_of:
        row = await requests.get(each)
        assert row is not None
        assert (row.state, row.attempt, row.error_code, row.status_code) == (
            State.FAILED,
            1,
            "interrupted",
            500,
        )
        assert row.completed_at is not None
    for each in others:
        row = await requests.get(each)
        assert row is not None
        assert (row.state, row.attempt) == (State.PENDING, 2)
    waiting = await database.fetch("select id, holder, attempt from queue")
    assert {tuple(each.values()) for each in waiting} == {(each, None, 2) for each in others}
    # The process was not dead, and has more.
    assert await store.append(holder, [piece(each, 3) for each in calls]) == set()


async def test_nothing_is_appended_between_the_look_and_the_taking(database: Database) -> None:
    """Whoever takes calls away waits for an append that is under way, and sees it."""
    sql, queue, holder = Queries.load("dwctl.requests.events"), QueueStore(database), new_uuid()
    (one,) = await held(database, holder)
    blocked = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    async with asyncio.TaskGroup() as tasks:
        async with database.transaction() as connection:
            await connection.execute(sql["share_fence"], holder)
            taking = tasks.create_task(queue.rescue(holder, 10))
            while not await database.fetch_value(blocked):
                pass
            rows = await connection.fetch(
                sql["append_events"], holder, [one], [1], [2], [2], [event("x", b"{}")]
            )
            assert len(rows) == 1
        assert await taking == 1
    assert await database.fetch_value("select state from requests where id = $1", one) == State.FAILED


async def test_an_ended_call_takes_no_more(database: Database) -> None:
    store, queue, holder = EventStore(database), QueueStore(database), new_uuid()
    one = await queued(database)
    (claimed,) = await queue.claim(holder, {lane.id: 1 for lane in await queue.lanes()})
    await store.append(holder, [piece(one)])
    await queue.settle(holder, [outcome(claimed, State.COMPLETED, owner=new_uuid())])
    assert await store.append(holder, [piece(one, 3)]) == set()
    (standing,) = await store.read([(one, 1)], 5)
    assert (standing.state, len(standing.pieces)) == (State.COMPLETED, 1)


# How long they live


async def test_logs_go_with_their_calls(database: Database) -> None:
    store, holder = EventStore(database), new_uuid()
    calls = await held(database, holder, 7)
    await store.append(holder, [piece(each, 2 + n) for each in calls for n in range(2)])
    await database.execute("delete from contents where id = $1", calls[2])
    await database.execute("delete from requests where id = $1", calls[6])
    gone = sum([await store.sweep(3) for _ in range(3)])
    assert gone == 4
    left = await database.fetch("select distinct id from response_events")
    assert {each["id"] for each in left} == set(calls) - {calls[2], calls[6]}
    # It begins again from the front.
    await database.execute("delete from contents where id = $1", calls[0])
    assert sum([await store.sweep(3) for _ in range(3)]) == 2


def test_notices_are_small_enough() -> None:
    ids = [new_uuid() for _ in range(450)]
    made = payloads(new_uuid(), ids)
    assert max(map(len, made)) < 8000
    assert [UUID(hex=name) for each in made for name in each.split(" ")[1:]] == ids
