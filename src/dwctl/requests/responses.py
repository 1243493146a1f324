"""The response store over the request store: the storage side of the Responses API (spec/responses §1).

A response is a row of `requests`; its public id is `resp_` and the row's id. Functions and errors are those of the
contract, in Python's style; each is a thin call of the SQL that everything else uses (`store.py`, `queue/`).

| here | does |
|---|---|
| `ResponseStore.get_response`, `get_context` | reads a row as a response; who asks checks whose it is |
| `ResponseStore.store` | tells a response's id; rows are written elsewhere |
| `complete_response_idempotent` | the end of a call by whoever has its answer, in any order with its beginning |
| `request_exists`, `lookup_created_by` | what that end asks: is the row there, and whose key was it |
| `fail_response` | the end of a call that failed |
| `poll_until_complete` | waits for a queued call |
| `create_batch_of_1` | queues one request as a real file and a real batch |

What ends in what, whoever comes first (C creates the row, K completes it):

| order | outcome |
|---|---|
| C, then K | K ends the row |
| K, then C | K makes the row and ends it; C finds its id taken and changes nothing |
| K finds nothing, C creates, K creates | K's row is refused by the primary key; K ends C's row |
| K twice | the second finds a row that has ended: that is success |
| K after the row failed or was cancelled | the first end stays: success, and nothing changes |
| K, and the row waits in the queue or is run from it | `StorageError`: the queue ends what the queue runs |
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, NewType
from uuid import UUID

import asyncpg
import msgspec

from dwctl.core.errors import Error
from dwctl.db.postgres import Database
from dwctl.requests.batches.store import BatchStore, Template
from dwctl.requests.endings import Endings
from dwctl.requests.queue.windows import REALTIME
from dwctl.requests.record import State
from dwctl.requests.render import STATUS, response_object
from dwctl.requests.store import (
    NOBODY,
    KeyOwner,
    RequestNotFound,
    RequestStateConflict,
    RequestStore,
    SingleRequest,
)
from dwctl.requests.writer import AWAY

logger = logging.getLogger(__name__)

ONWARDS_RESPONSE_ID_HEADER = "x-onwards-response-id"
"""Carries the response's id on every answer of the AI API; removed when a client sends it."""

OnwardsDaemonId = NewType("OnwardsDaemonId", UUID)
"""This process: its row in `daemons`."""

_FAILURES = (*AWAY, asyncpg.PostgresError, Error)
SHOWN_OF_KEY = 8
"""Characters of an unknown key that are logged."""


class StoreError(Error):
    """What the response store raises; the text of each kind begins as the contract says."""


class ResponseNotFound(StoreError):
    """The id cannot be one, or nothing has it."""

    status = 404

    def __init__(self, detail: str) -> None:
        super().__init__(f"Response not found: {detail}")


class StorageError(StoreError):
    """The rows could not be read or written as they should."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"Storage error: {detail}")


class SerializationError(StoreError):
    """Something is no JSON that can be stored."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"Serialization error: {detail}")


class CreateContext(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that makes a row from nothing."""

    batch_id: UUID
    request_id: UUID
    request_body: str
    model: str
    endpoint: str
    """Path, such as `/v1/responses`; empty is refused, for nobody would find such a row."""
    base_url: str = ""
    """Part of the contract; requests run in process, so nothing is sent there."""
    api_key: str | None = None


class ResponseStore:
    """Responses by id. Knows nothing of owners: callers check."""

    def __init__(self, requests: RequestStore) -> None:
        self._requests = requests

    async def get_response(self, response_id: str) -> dict[str, Any] | None:
        """The rendered response, None when there is no such row; raises `StoreError`."""
        request_id = parse_response_id(response_id)
        try:
            row = await self._requests.get(request_id)
        except _FAILURES as error:
            raise StorageError(f"Failed to fetch request: {error}") from error
        return None if row is None else response_object(row)

    async def get_context(self, response_id: str) -> dict[str, Any] | None:
        """What a call with `previous_response_id` goes on from: the same as `get_response`."""
        return await self.get_response(response_id)

    @staticmethod
    def store(response: Mapping[str, Any]) -> str:
        """The id of a response, empty when it has none. Nothing is written: rows are kept as their calls run."""
        found = response.get("id")
        return found if isinstance(found, str) else ""


async def fail_response(requests: RequestStore, response_id: str, error_text: str, status: int = 500) -> None:
    """End a response that is being processed as failed; `status` is the true one. Raises `StoreError`."""
    request_id = parse_response_id(response_id)
    try:
        await requests.fail_request(request_id, error_text, status)
    except _FAILURES as error:
        raise StorageError(f"Failed to fail request: {error}") from error


async def request_exists(requests: RequestStore, request_id: UUID) -> bool:
    """Whether there is such a row; a hint, for what decides is the primary key. Raises `StorageError`."""
    try:
        return await requests.get(request_id) is not None
    except _FAILURES as error:
        raise StorageError(f"Failed to check request existence: {error}") from error


async def complete_response_idempotent(
    requests: RequestStore,
    response_id: str,
    body: str | bytes,
    status: int,
    context: CreateContext,
    daemon_id: OnwardsDaemonId | None = None,
) -> None:
    """End a response as completed, whether its row is there yet or not; the table above says how races end.

    `status` is the HTTP status of the answer. Raises `StoreError`.
    """
    request_id = parse_response_id(response_id)
    answer = body.encode() if isinstance(body, str) else body
    try:
        await requests.complete_request(request_id, answer, status)
        return
    except RequestNotFound:
        pass
    except RequestStateConflict as error:
        if error.current >= State.FAILED:
            return
        raise StorageError(f"Failed to complete request: {error}") from error
    except _FAILURES as error:
        raise StorageError(f"Failed to complete request: {error}") from error
    if not context.endpoint:
        raise StorageError(
            f"Cannot create the row of {response_id}: the endpoint is empty (the header x-onwards-endpoint was missing)"
        )
    owner = await _owner_of(requests, context.api_key)
    single = SingleRequest(
        request_id=context.request_id,
        batch_id=context.batch_id,
        body=context.request_body.encode(),
        model=context.model,
        endpoint=context.endpoint,
        completion_window=REALTIME,
        initial_state=State.PROCESSING,
        owner=owner,
        daemon_id=daemon_id,
    )
    try:
        if not await requests.create_single_request_batch(single):
            logger.info("the row of %s was made by another one first", response_id)
    except _FAILURES as error:
        logger.info("the row of %s was not made here: %s", response_id, error)
    try:
        await requests.complete_request(request_id, answer, status)
    except RequestStateConflict as error:
        if error.current < State.FAILED:
            raise StorageError(f"Failed to complete after create: {error}") from error
    except _FAILURES as error:
        raise StorageError(f"Failed to complete after create: {error}") from error


async def poll_until_complete(
    requests: RequestStore,
    response_id: str,
    interval: float,
    timeout: float,
    endings: Endings | None = None,
) -> dict[str, Any]:
    """Wait for the end of a response, however it ends, and give it rendered; times in seconds. Raises `StoreError`.

    Looks at once, then every `interval`, sooner when `endings` tells of the end. A row that is not there yet is waited
    for. At least one look is had, whatever the timeout.
    """
    request_id = parse_response_id(response_id)
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout
    waiting = nullcontext(asyncio.Event()) if endings is None else endings.waiting(request_id)
    with waiting as woken:
        while True:
            woken.clear()
            try:
                row = await requests.get(request_id)
            except _FAILURES as error:
                raise StorageError(f"Failed to poll request: {error}") from error
            if row is not None and row.state >= State.FAILED:
                return response_object(row)
            if loop.time() >= until:
                raise StorageError(
                    f"Timeout waiting for request {response_id} to complete after {timeout:g}s"
                )
            try:
                async with asyncio.timeout(interval):
                    await woken.wait()
            except TimeoutError:
                pass


async def lookup_created_by(requests: RequestStore, api_key: str | None) -> str | None:
    """The account that a key belongs to, as text; None for no key, an unknown one, or when the database is away."""
    owner = await _owner_of(requests, api_key)
    return None if owner is None else str(owner.user_id)


async def _owner_of(requests: RequestStore, api_key: str | None) -> KeyOwner | None:
    if api_key is None:
        return None
    try:
        owner = await requests.key_owner(api_key)
    except _FAILURES as error:
        logger.error("whose key it is could not be looked up: %s", error)
        return None
    if owner is None:
        logger.warning("nobody knows the key %s...", api_key[:SHOWN_OF_KEY])
    return owner


async def create_batch_of_1(
    database: Database,
    request: Mapping[str, Any],
    *,
    model: str,
    base_url: str,
    path: str,
    window: str,
    api_key: str | None,
) -> tuple[str, UUID]:
    """Queue one request as a file named `responses_api_single` and a batch over it; gives `resp_<id>` and the id.

    It waits as every line of a batch does, and is charged to the key. `base_url` is part of the contract; requests run
    in process. Raises `StoreError`.
    """
    del base_url
    try:
        body = msgspec.json.encode(request)
    except (TypeError, ValueError) as error:
        raise SerializationError(str(error)) from error
    owner = await _owner_of(RequestStore(database), api_key) or KeyOwner(NOBODY, NOBODY, NOBODY)
    store = BatchStore(database)
    try:
        file_id = await store.create_file(
            "responses_api_single",
            [Template(custom_id=None, path=path, model=model, body=body)],
            owner_id=owner.user_id,
            creator_id=owner.created_by,
        )
    except _FAILURES as error:
        raise StorageError(f"Failed to create file: {error}") from error
    try:
        batch_id = await store.create_batch(
            file_id,
            endpoint=path,
            window=window,
            owner_id=owner.user_id,
            creator_id=owner.created_by,
            key_id=None if owner.id == NOBODY else owner.id,
            run_key_id=owner.id,
        )
    except (*_FAILURES, ValueError) as error:
        raise StorageError(f"Failed to create batch: {error}") from error
    try:
        made = await store.get_batch_requests(batch_id, 1)
    except _FAILURES as error:
        raise StorageError(f"Failed to get batch requests: {error}") from error
    if not made:
        raise StorageError("Batch created with no requests")
    response_id = f"resp_{made[0].id}"
    logger.debug("queued %s in batch %s with the window %s", response_id, batch_id, window)
    return response_id, made[0].id


def parse_response_id(response_id: str) -> UUID:
    """The row's id in `resp_<uuid>` or `<uuid>`, in any form of a UUID; raises `ResponseNotFound`."""
    try:
        return UUID(response_id.removeprefix("resp_"))
    except ValueError as error:
        raise ResponseNotFound(f"Invalid response ID: {response_id}") from error


def state_to_status(state: str) -> str:
    """The public word for a state's name, `failed` for one that nobody knows."""
    try:
        return STATUS[State[state.upper()]]
    except KeyError:
        return "failed"
