"""What a call goes on from, read from rows: in few statements, whatever bodies look like, and nobody else's."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from msgspec import Raw

from dwctl.core.errors import BadRequest, Unavailable
from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database, Record
from dwctl.db.settings import PoolSettings
from dwctl.engine.conversations.store import ConversationStore
from dwctl.engine.responses.history import BEGINS_WITHIN, FORGOTTEN_AFTER, History, Locked
from dwctl.engine.responses.settings import ContextSettings
from dwctl.requests.record import State
from dwctl.requests.store import RequestStore

OWNER = new_uuid()
SMALL = ContextSettings(max_turns=5, max_bytes=4096)


class Recorded:
    """Nothing is on its way, or it cannot be said."""

    def __init__(self, *, settled: bool = True) -> None:
        self.settled = settled
        self.asked = 0

    async def flush(self) -> bool:
        """Nothing to wait for."""
        self.asked += 1
        return self.settled


class Counting(Database):
    """Counts what it is asked."""

    statements = 0

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        """All rows."""
        self.statements += 1
        return await super().fetch(sql, *args)

    async def fetch_row(self, sql: str, *args: object) -> Record | None:
        """The first row."""
        self.statements += 1
        return await super().fetch_row(sql, *args)

    async def fetch_value(self, sql: str, *args: object) -> Any:
        """The first column."""
        self.statements += 1
        return await super().fetch_value(sql, *args)


def history(
    database: Database, settings: ContextSettings | None = None, recorded: Recorded | None = None
) -> History:
    return History(
        RequestStore(database),
        ConversationStore(database),
        recorded or Recorded(),
        settings or ContextSettings(),
    )


def answer(text: str) -> bytes:
    """A Responses object."""
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"id": f"msg_{text}", "type": "message", "role": "assistant", "content": [part]}
    return json.dumps({"status": "completed", "output": [message]}).encode()


async def add(
    database: Database,
    asked: dict[str, Any] | bytes,
    said: str | None = "yes",
    *,
    owner: UUID = OWNER,
    state: State = State.COMPLETED,
    path: str = "/v1/responses",
) -> UUID:
    """A call that has come so far."""
    ident = new_uuid()
    await database.execute(
        """insert into requests (id, state, created_at, completed_at, owner_id, creator_id, path, model, purpose,
            origin, service_tier)
        values ($1, $2::smallint, now(), case when $2::smallint >= 3 then now() end, $3, $3, $4, 'm', 'realtime',
            'api', 'default')""",
        ident,
        state,
        owner,
        path,
    )
    await database.execute(
        "insert into request_bodies (id, request, response) values ($1, $2, $3)",
        ident,
        asked if isinstance(asked, bytes) else json.dumps(asked).encode(),
        None if said is None else answer(said),
    )
    return ident


async def chain_of(database: Database, count: int) -> UUID:
    """So many responses, each going on from the one before."""
    last = await add(database, {"input": "q0"}, "a0")
    for number in range(1, count):
        asked = {"input": f"q{number}", "previous_response_id": f"resp_{last}"}
        last = await add(database, asked, f"a{number}")
    return last


def said(items: Sequence[Raw]) -> list[str]:
    """The texts."""
    found = []
    for item in items:
        content = json.loads(bytes(item))["content"]
        found.append(content if isinstance(content, str) else content[0]["text"])
    return found


def whole(count: int) -> list[str]:
    """What was said in a chain."""
    return [text for number in range(count) for text in (f"q{number}", f"a{number}")]


@pytest.mark.parametrize("turns", [1, 2, 300])
async def test_the_length_of_a_chain_costs_no_statements(database: Database, turns: int) -> None:
    head = await chain_of(database, turns)
    counting = Counting(database.dsn, PoolSettings(max_connections=2))
    await counting.open()
    try:
        counting.statements = 0
        found = await history(counting).chain(f"resp_{head}", OWNER)
        assert said(found) == whole(turns)
        assert counting.statements == 3
    finally:
        await counting.close()


BODIES = {
    "escaped": b'{"input":"q1","previous\\u005fresponse_id":"resp_%b"}',
    "not utf-8": b'{"note":"\xff","input":"q1","previous_response_id":"resp_%b"}',
    "nul": b'{"note":"\\u0000","input":"q1","previous_response_id":"resp_%b"}',
    "without prefix": b'{"input":"q1","previous_response_id":"%b"}',
    "in capitals": b'{"input":"q1","previous_response_id":"resp_%b"}',
    "nested first": b'{"metadata":{"previous_response_id":"x"},"input":"q1","previous_response_id":"resp_%b"}',
    "in a text": b'{"instructions":"\\"previous_response_id\\":\\"x\\"","input":"q1","previous_response_id":"resp_%b"}',
}


@pytest.mark.parametrize("kind", BODIES)
async def test_a_predecessor_is_found_in_any_body(database: Database, kind: str) -> None:
    first = await add(database, {"input": "q0"}, "a0")
    name = str(first).upper() if kind == "in capitals" else str(first)
    second = await add(database, BODIES[kind] % name.encode(), "a1")
    third = await add(database, {"input": "q2", "previous_response_id": f"resp_{second}"}, "a2")
    assert said(await history(database).chain(f"resp_{third}", OWNER)) == whole(3)


async def test_a_chat_goes_on_from_nothing(database: Database) -> None:
    other = await add(database, {"input": "q0"}, "a0")
    messages = [{"role": "user", "content": "q1"}]
    asked = {"messages": messages, "previous_response_id": f"resp_{other}"}
    chat = await add(database, asked, "a1", path="/v1/chat/completions")
    assert said(await history(database).chain(f"resp_{chat}", OWNER)) == ["q1", "a1"]


async def refusal(database: Database, head: UUID, settings: ContextSettings | None = None) -> tuple[str, str]:
    with pytest.raises(BadRequest) as caught:
        await history(database, settings).chain(f"resp_{head}", OWNER)
    assert caught.value.param == "previous_response_id"
    return str(caught.value.code), caught.value.message


async def test_a_chain_that_leads_to_somebody_else_is_refused(database: Database) -> None:
    theirs = await add(database, {"input": "secret"}, owner=new_uuid())
    ours = await add(database, {"input": "x", "previous_response_id": f"resp_{theirs}"})
    code, text = await refusal(database, ours)
    assert code == "previous_response_not_found"
    assert str(theirs) in text


async def test_a_chain_whose_beginning_is_gone_is_refused(database: Database) -> None:
    gone = new_uuid()
    ours = await add(database, {"input": "x", "previous_response_id": f"resp_{gone}"})
    code, text = await refusal(database, ours)
    assert code == "previous_response_not_found"
    assert str(gone) in text
    assert str(ours) in text


async def test_a_chain_that_turns_in_a_circle_has_an_end(database: Database) -> None:
    head = await chain_of(database, 2)
    first = await database.fetch_value("select min(id::text)::uuid from requests")
    await database.execute(
        "update request_bodies set request = $2 where id = $1",
        first,
        json.dumps({"input": "x", "previous_response_id": f"resp_{head}"}).encode(),
    )
    assert (await refusal(database, head))[0] == "context_length_exceeded"


@pytest.mark.parametrize("turns", [5, 6])
async def test_turns_are_counted(database: Database, turns: int) -> None:
    head = await chain_of(database, turns)
    if turns <= SMALL.max_turns:
        assert said(await history(database, SMALL).chain(f"resp_{head}", OWNER)) == whole(turns)
    else:
        assert (await refusal(database, head, SMALL))[0] == "context_length_exceeded"


@pytest.mark.parametrize("more", [0, 1])
async def test_bytes_are_counted_before_they_are_read(database: Database, more: int) -> None:
    first = await add(database, {"input": ""}, "a")
    used = await RequestStore(database).bytes_of([first])
    await database.execute(
        "update request_bodies set request = $2 where id = $1",
        first,
        json.dumps({"input": "x" * (SMALL.max_bytes - used + more)}).encode(),
    )
    if more:
        assert (await refusal(database, first, SMALL))[0] == "context_length_exceeded"
    else:
        assert len(await history(database, SMALL).chain(f"resp_{first}", OWNER)) == 2


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State.PENDING, "in progress"),
        (State.PROCESSING, "in progress"),
        (State.FAILED, "failed"),
        (State.CANCELED, "cancelled"),
    ],
)
async def test_only_what_has_ended_well(database: Database, state: State, word: str) -> None:
    head = await add(database, {"input": "x"}, None, state=state)
    code, text = await refusal(database, head)
    assert (code, word in text) == ("previous_response_not_completed", True)


async def test_what_was_not_kept_is_told(database: Database) -> None:
    head = await add(database, {"input": "x"}, None)
    assert "not kept" in (await refusal(database, head))[1]


async def test_a_row_that_may_come_yet_is_not_called_unknown(database: Database) -> None:
    recorded = Recorded(settled=False)
    with pytest.raises(Unavailable):
        await history(database, recorded=recorded).chain(f"resp_{new_uuid()}", OWNER)
    assert recorded.asked == 1


# Conversations


async def made(database: Database) -> UUID:
    """An empty one."""
    conversation = new_uuid()
    await ConversationStore(database).create(conversation, OWNER, OWNER, {}, [])
    return conversation


async def test_the_place_of_a_call_that_never_began(database: Database) -> None:
    conversation, store = await made(database), ConversationStore(database)
    lost = new_uuid()
    assert await store.enter(conversation, OWNER, lost, 0) == 1
    with pytest.raises(Locked):
        await history(database).conversation(conversation, lock=True)
    # A call that was accepted before is not locked out.
    assert await history(database).conversation(conversation) == []
    for seconds, there in ((BEGINS_WITHIN, True), (FORGOTTEN_AFTER, False)):
        await database.execute(
            "update conversation_items set created_at = now() - make_interval(secs => $1)", seconds + 1
        )
        assert await history(database).conversation(conversation, lock=True) == []
        assert (await store.place(conversation, lost) is not None) is there


async def test_what_is_on_its_way_is_not_passed_over(database: Database) -> None:
    conversation, store = await made(database), ConversationStore(database)
    for last, state in enumerate((State.COMPLETED, State.PROCESSING)):
        ident = await add(database, {"input": "q"}, "a", state=state)
        await store.enter(conversation, OWNER, ident, last)
    away = history(database, recorded=Recorded(settled=False))
    with pytest.raises(Unavailable):
        await away.conversation(conversation)
    with pytest.raises(Unavailable):
        await away.chain(f"resp_{ident}", OWNER)


async def test_a_call_that_began_keeps_its_place_however_late_it_is_forgotten(database: Database) -> None:
    conversation, store = await made(database), ConversationStore(database)
    ident = await add(database, {"input": "q"}, "a")
    await store.enter(conversation, OWNER, ident, 0)
    await store.leave(conversation, ident)
    assert said(await history(database).conversation(conversation, lock=True)) == ["q", "a"]


async def test_who_enters_has_read_all_that_is_before(database: Database) -> None:
    conversation, store = await made(database), ConversationStore(database)
    assert await store.enter(conversation, OWNER, new_uuid(), 0) == 1
    assert await store.enter(conversation, OWNER, new_uuid(), 0) is None
    assert await store.add(conversation, OWNER, [("msg_a", b"{}")])
    assert await store.enter(conversation, OWNER, new_uuid(), 1) is None
    assert await store.enter(conversation, OWNER, new_uuid(), 2) == 3
    assert await store.enter(conversation, new_uuid(), new_uuid(), 3) is None


async def test_what_retention_has_dropped_is_swept_up(database: Database) -> None:
    conversation, store = await made(database), ConversationStore(database)
    await database.execute("select ensure_request_partitions((now() at time zone 'UTC')::date, 1)")
    old = UUID("01890000-0000-7000-8000-000000000001")
    kept = await add(database, {"input": "q"}, "a")
    for last, ident in enumerate((old, kept, new_uuid())):
        await store.enter(conversation, OWNER, ident, last)
    assert await store.clear_lost(10) == 1
    assert await store.clear_lost(10) == 0
    assert await store.place(conversation, old) is None
    assert await store.place(conversation, kept) == 2
