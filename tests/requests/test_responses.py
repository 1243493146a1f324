"""The response store, function by function (spec/responses §1)."""

import asyncio
import json
from uuid import UUID, uuid4

import pytest

from dwctl.core.ids import new_uuid
from dwctl.db.listen import Listener
from dwctl.db.postgres import Database
from dwctl.identity.secrets import new_key
from dwctl.requests.endings import Endings
from dwctl.requests.queue.store import ENDED, QueueStore
from dwctl.requests.record import State
from dwctl.requests.responses import (
    CreateContext,
    ResponseNotFound,
    ResponseStore,
    StorageError,
    complete_response_idempotent,
    create_batch_of_1,
    fail_response,
    lookup_created_by,
    parse_response_id,
    poll_until_complete,
    request_exists,
    state_to_status,
)
from dwctl.requests.store import NOBODY, KeyOwner, RequestStore, SingleRequest

ANSWER = json.dumps({"choices": [{"message": {"content": "héllo"}}], "usage": {"total_tokens": 3}})


@pytest.fixture
def requests(database: Database) -> RequestStore:
    return RequestStore(database)


async def add_key(database: Database) -> tuple[str, UUID]:
    """A key's secret and its account."""
    made = new_key()
    user: UUID = await database.fetch_value("select id from users limit 1") or await _add_user(database)
    await database.execute(
        """insert into api_keys (id, secret_hash, secret_prefix, name, purpose, user_id, created_by)
        values ($1, $2, 'sk-test', $3, 'realtime', $4, $4)""",
        uuid4(),
        made.digest,
        str(uuid4()),
        user,
    )
    return made.secret, user


async def _add_user(database: Database) -> UUID:
    user = uuid4()
    await database.execute(
        "insert into users (id, username, email) values ($1, $2, $3)", user, f"u{user}", f"{user}@example.org"
    )
    return user


def context(request_id: UUID, api_key: str | None = None, endpoint: str = "/v1/responses") -> CreateContext:
    return CreateContext(
        batch_id=new_uuid(),
        request_id=request_id,
        request_body='{"model":"m","input":"hi"}',
        model="m",
        endpoint=endpoint,
        api_key=api_key,
    )


def single(request_id: UUID, state: State = State.PROCESSING) -> SingleRequest:
    assert state in (State.PROCESSING, State.PENDING)
    return SingleRequest(
        request_id=request_id,
        batch_id=new_uuid(),
        body=b'{"model":"m","input":"hi","background":true}',
        model="m",
        endpoint="/v1/responses",
        completion_window="0s" if state == State.PROCESSING else "1h",
        initial_state=State.PROCESSING if state == State.PROCESSING else State.PENDING,
        owner=KeyOwner(new_uuid(), new_uuid(), new_uuid()),
        background=True,
    )


async def test_created_then_completed(requests: RequestStore) -> None:
    request_id = new_uuid()
    assert await requests.create_single_request_batch(single(request_id))
    assert await request_exists(requests, request_id)
    shown = await ResponseStore(requests).get_response(f"resp_{request_id}")
    assert shown is not None
    assert (shown["status"], shown["output"], shown["background"]) == ("in_progress", [], True)
    await complete_response_idempotent(requests, f"resp_{request_id}", ANSWER, 200, context(request_id))
    shown = await ResponseStore(requests).get_context(str(request_id).upper())
    assert shown is not None
    assert shown["id"] == f"resp_{request_id}"
    assert shown["status"] == "completed"
    assert shown["output"][0]["content"][0]["text"] == "héllo"
    row = await requests.get_request_detail(request_id)
    assert row.response == ANSWER.encode()


async def test_completed_then_created(requests: RequestStore, database: Database) -> None:
    secret, user = await add_key(database)
    request_id = new_uuid()
    await complete_response_idempotent(
        requests, f"resp_{request_id}", ANSWER, 200, context(request_id, secret)
    )
    row = await requests.get_request_detail(request_id)
    assert (row.state, row.status_code, row.owner_id) == (State.COMPLETED, 200, user)
    assert not await requests.create_single_request_batch(single(request_id))
    assert (await requests.get_request_detail(request_id)) == row


async def test_both_create_at_once(requests: RequestStore, database: Database) -> None:
    for _ in range(20):
        request_id = new_uuid()
        async with asyncio.TaskGroup() as group:
            group.create_task(requests.create_single_request_batch(single(request_id)))
            group.create_task(
                complete_response_idempotent(requests, str(request_id), ANSWER, 200, context(request_id))
            )
        assert (await requests.get_request_detail(request_id)).state == State.COMPLETED
    assert await database.fetch_value("select count(*) from requests") == 20


async def test_completed_twice(requests: RequestStore) -> None:
    request_id = new_uuid()
    for answer in (ANSWER, "{}"):
        await complete_response_idempotent(requests, str(request_id), answer, 200, context(request_id))
    assert (await requests.get_request_detail(request_id)).response == ANSWER.encode()


async def test_completed_after_it_failed(requests: RequestStore) -> None:
    request_id = new_uuid()
    await requests.create_single_request_batch(single(request_id))
    await fail_response(requests, f"resp_{request_id}", "Upstream returned 503: no\0pe", 503)
    await complete_response_idempotent(requests, f"resp_{request_id}", ANSWER, 200, context(request_id))
    row = await requests.get_request_detail(request_id)
    assert (row.state, row.status_code) == (State.FAILED, 503)
    shown = await ResponseStore(requests).get_response(f"resp_{request_id}")
    assert shown is not None
    assert shown["error"]["type"] == "server_error"
    assert shown["error"]["message"] == "Upstream returned 503: no\N{REPLACEMENT CHARACTER}pe"


@pytest.mark.parametrize("claimed", [False, True])
async def test_what_the_queue_runs_is_ended_by_the_queue(
    requests: RequestStore, database: Database, claimed: bool
) -> None:
    request_id = new_uuid()
    await requests.create_single_request_batch(single(request_id, State.PENDING))
    queue = QueueStore(database)
    if claimed:
        lanes = await queue.lanes()
        assert [c.id for c in await queue.claim(new_uuid(), {lane.id: 5 for lane in lanes})] == [request_id]
    assert (await requests.get_request_detail(request_id)).standing == (
        State.PROCESSING if claimed else State.PENDING
    )
    with pytest.raises(StorageError, match=r"Storage error: Failed to complete request: .* is pending"):
        await complete_response_idempotent(requests, str(request_id), ANSWER, 200, context(request_id))
    with pytest.raises(StorageError, match="Storage error: Failed to fail request: "):
        await fail_response(requests, str(request_id), "no")


async def test_an_empty_endpoint_is_refused(requests: RequestStore) -> None:
    request_id = new_uuid()
    with pytest.raises(StorageError, match="endpoint is empty"):
        await complete_response_idempotent(
            requests, str(request_id), ANSWER, 200, context(request_id, endpoint="")
        )
    assert not await request_exists(requests, request_id)


async def test_a_row_that_is_not_there(requests: RequestStore) -> None:
    request_id = new_uuid()
    assert await ResponseStore(requests).get_response(f"resp_{request_id}") is None
    with pytest.raises(StorageError, match="Failed to fail request: Request not found"):
        await fail_response(requests, str(request_id), "no")


@pytest.mark.parametrize(
    "text", ["resp_", "resp_x", "resp_resp_5f2c8f5e-9d0c-4a53-9a46-1f0a6a4f7f11", "", "123"]
)
async def test_what_is_no_id(requests: RequestStore, text: str) -> None:
    with pytest.raises(ResponseNotFound, match="Response not found: Invalid response ID: "):
        await ResponseStore(requests).get_response(text)


def test_forms_of_an_id() -> None:
    one = uuid4()
    for text in (str(one), f"resp_{one}", one.hex, f"resp_{{{one}}}", one.urn, str(one).upper()):
        assert parse_response_id(text) == one


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("pending", "queued"),
        ("claimed", "in_progress"),
        ("processing", "in_progress"),
        ("completed", "completed"),
        ("failed", "failed"),
        ("canceled", "cancelled"),
        ("other", "failed"),
    ],
)
def test_states(state: str, status: str) -> None:
    assert state_to_status(state) == status


def test_store_tells_the_id() -> None:
    assert ResponseStore.store({"id": "resp_1"}) == "resp_1"
    assert ResponseStore.store({"id": 1}) == ""
    assert ResponseStore.store({}) == ""


async def test_whose_key(requests: RequestStore, database: Database) -> None:
    secret, user = await add_key(database)
    assert await lookup_created_by(requests, secret) == str(user)
    assert await lookup_created_by(requests, None) is None
    assert await lookup_created_by(requests, "sk-ünknown") is None


async def test_waiting_for_the_end(requests: RequestStore, database: Database) -> None:
    request_id = new_uuid()
    await requests.create_single_request_batch(single(request_id))
    endings = Endings()
    listener = Listener(database.dsn)
    listener.subscribe(ENDED, endings)
    await listener.start()
    try:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            # The poll alone would take half a minute.
            waiter = group.create_task(poll_until_complete(requests, str(request_id), 30, 60, endings))
            await complete_response_idempotent(requests, str(request_id), ANSWER, 200, context(request_id))
        assert waiter.result()["status"] == "completed"
    finally:
        await listener.stop()


async def test_waiting_in_vain(requests: RequestStore) -> None:
    request_id = new_uuid()
    text = f"Storage error: Timeout waiting for request resp_{request_id} to complete after 0s"
    with pytest.raises(StorageError, match=text):
        await poll_until_complete(requests, f"resp_{request_id}", 0.01, 0)


async def test_a_batch_of_one(requests: RequestStore, database: Database) -> None:
    secret, user = await add_key(database)
    response_id, request_id = await create_batch_of_1(
        database,
        {"model": "m", "input": "é"},
        model="m",
        base_url="http://127.0.0.1",
        path="/v1/responses",
        window="1h",
        api_key=secret,
    )
    assert response_id == f"resp_{request_id}"
    file = await database.fetch_row("select name, lines, models from files where purpose = 'batch'")
    assert file is not None
    assert (file["name"], file["lines"]) == ("responses_api_single", 1)
    row = await requests.get_request_detail(request_id)
    assert (row.owner_id, row.state, row.request) == (
        user,
        State.PENDING,
        '{"model":"m","input":"é"}'.encode(),
    )
    assert row.service_tier == "flex"
    batch = await database.fetch_row("select total, completion_window, started_at from batches")
    assert batch is not None
    assert (batch["total"], batch["completion_window"]) == (1, "1h")
    assert batch["started_at"] is not None
    (lane,) = await QueueStore(database).lanes()
    assert (lane.model, lane.batch_id) == ("m", row.batch_id)


async def test_a_batch_of_one_of_nobody(database: Database) -> None:
    _, request_id = await create_batch_of_1(
        database, {}, model="m", base_url="", path="/v1/responses", window="24h", api_key=None
    )
    row = await RequestStore(database).get_request_detail(request_id)
    assert row.owner_id == NOBODY
    with pytest.raises(StorageError, match="Failed to create batch"):
        await create_batch_of_1(database, {}, model="m", base_url="", path="/", window="soon", api_key=None)
