"""Requests one by one: read back, made and ended by hand. In bulk: writer.py for calls, queue/ for queued work.

This is the part of the reference's request manager that concerns single requests (spec/responses §4.11), under Python
names; files and batches of it are in `batches/store.py`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from dwctl.core.errors import Conflict, NotFound
from dwctl.db.postgres import Database, Record
from dwctl.db.queries import Queries
from dwctl.identity.secrets import digest
from dwctl.requests.packing import unpacked
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import Single
from dwctl.requests.queue.windows import FLEX, REALTIME, deadline_of
from dwctl.requests.record import State

NOBODY = UUID(int=0)
"""The account of a request whose key nobody knows: no key reads it back."""


class RequestNotFound(NotFound):
    """There is no such request, or its batch was deleted."""

    def __init__(self, request_id: UUID) -> None:
        super().__init__(f"Request not found: {request_id}")


class RequestStateConflict(Conflict):
    """The request is there, in a state that does not allow this."""

    def __init__(self, request_id: UUID, current: State, expected: State) -> None:
        super().__init__(f"Request {request_id} is {current.name.lower()}, expected {expected.name.lower()}")
        self.current = current
        self.expected = expected


class StoredRequest(msgspec.Struct, frozen=True):
    """A row of `requests` with its bodies."""

    id: UUID
    attempt: int
    state: int
    stream: bool
    background: bool
    status_code: int | None
    created_at: datetime
    completed_at: datetime | None
    owner_id: UUID
    creator_id: UUID
    path: str
    model: str
    service_tier: str
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    total_tokens: int | None
    error_code: str | None
    error_message: str | None
    request: bytes | None
    response: bytes | None
    batch_id: UUID | None = None
    """Of a line: its batch. Of a single queued call: the group id that the contract calls so."""
    running: bool = False
    """Whether a process holds it; only queued requests are held."""
    line: int | None = None
    """Of a batch's request: its line in the file, from 0."""
    stored: bool = True
    """Whether it can be read as a response; otherwise bodies are there for its client alone, and not for long."""

    @property
    def standing(self) -> State:
        """Its state as its owner sees it: one that is held is being processed."""
        return State.PROCESSING if self.running and self.state < State.PROCESSING else State(self.state)


class KeyOwner(msgspec.Struct, frozen=True):
    """Whose key it is."""

    id: UUID
    user_id: UUID
    """The account: a person or an organization."""
    created_by: UUID


class SingleRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request on its own, with ids that its maker has chosen."""

    request_id: UUID
    batch_id: UUID
    """Its group; no row of `batches` has this id."""
    body: bytes
    model: str
    endpoint: str
    """Path, such as `/v1/responses`."""
    completion_window: str
    """`0s` of a realtime call, `1h` of flex."""
    initial_state: Literal[State.PENDING, State.PROCESSING]
    """Pending waits in the queue; processing is run by whoever makes it, who ends it too."""
    owner: KeyOwner | None
    background: bool = False
    daemon_id: UUID | None = None
    """The process that runs it: when that dies, the request ends as failed."""


class RequestStore:
    """Rows and bodies by id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)
        self._queue = QueueStore(database)

    async def get(self, request_id: UUID, *, unstored: bool = False) -> StoredRequest | None:
        """A request, whoever owns it; the caller checks.

        With `unstored` also one whose client wants nothing stored: for whoever answers that client.
        """
        row = await self._database.fetch_row(self._sql["get_request"], request_id, unstored)
        return None if row is None else _stored(row)

    async def get_many(self, ids: Sequence[UUID]) -> dict[UUID, StoredRequest]:
        """Those of these that are there, whoever owns them."""
        rows = await self._database.fetch(self._sql["get_requests"], list(ids)) if ids else []
        return {row["id"]: _stored(row) for row in rows}

    async def bytes_of(self, ids: Sequence[UUID]) -> int:
        """What their bodies take, before anybody reads them."""
        found: int = await self._database.fetch_value(self._sql["bytes_of_requests"], list(ids)) if ids else 0
        return found

    async def chain(self, head: UUID, owner_id: UUID, most: int, most_bytes: int) -> list[tuple[UUID, int]]:
        """A response of an account and those that it goes on from, the newest first, each with its bytes.

        It ends behind so many responses or bytes, and where a body does not tell its predecessor to PostgreSQL: the
        body of the last one says whether there are more.
        """
        rows = await self._database.fetch(self._sql["response_chain"], head, owner_id, most, most_bytes)
        return [(row["id"], row["size"]) for row in rows]

    async def get_request_detail(self, request_id: UUID) -> StoredRequest:
        """The same; raises `RequestNotFound`."""
        row = await self.get(request_id)
        if row is None:
            raise RequestNotFound(request_id)
        return row

    async def key_owner(self, secret: str) -> KeyOwner | None:
        """Whose key this is, be it expired or for other purposes; None when there is none."""
        row = await self._database.fetch_row(self._sql["key_of"], digest(secret))
        return None if row is None else KeyOwner(*row.values())

    async def create_single_request_batch(self, single: SingleRequest) -> bool:
        """Make the row of a single request; False, and nothing changes, when its id is taken."""
        owner = single.owner or KeyOwner(NOBODY, NOBODY, NOBODY)
        if single.initial_state == State.PENDING:
            accepted = await self._queue.enqueue(
                [
                    Single(
                        id=single.request_id,
                        group_id=single.batch_id,
                        tier="background" if single.completion_window == REALTIME else "flex",
                        path=single.endpoint,
                        model=single.model,
                        owner_id=owner.user_id,
                        creator_id=owner.created_by,
                        key_id=None if single.owner is None else owner.id,
                        run_key_id=owner.id,
                        completion_window=single.completion_window,
                        deadline=deadline_of(single.completion_window),
                        body=single.body,
                        background=single.background,
                        service_tier="flex" if single.completion_window == FLEX else "default",
                    )
                ]
            )
            return single.request_id in accepted
        made = await self._database.fetch_value(
            self._sql["insert_processing"],
            single.request_id,
            single.background,
            owner.user_id,
            owner.created_by,
            None if single.owner is None else owner.id,
            single.daemon_id,
            single.endpoint,
            single.model,
            single.body,
            single.batch_id,
        )
        return made is not None

    async def complete_request(self, request_id: UUID, body: bytes, status: int) -> None:
        """End a request that is being processed outside of the queue; `body` is the answer's.

        Raises `RequestNotFound`, and `RequestStateConflict` for one in any other state, which stays as it is.
        """
        await self._end(request_id, State.COMPLETED, status, body, None, None)

    async def fail_request(
        self, request_id: UUID, message: str, status: int = 500, code: str = "server_error"
    ) -> None:
        """The same for one that failed; `status` is the true one."""
        await self._end(request_id, State.FAILED, status, None, code, message)

    async def _end(
        self,
        request_id: UUID,
        state: State,
        status: int,
        body: bytes | None,
        code: str | None,
        message: str | None,
    ) -> None:
        clean = None if message is None else message.replace("\0", "\N{REPLACEMENT CHARACTER}")
        while True:
            ended = await self._database.fetch_value(
                self._sql["end_processing"], request_id, int(state), status, body, code, clean
            )
            if ended is not None:
                return
            current: int | None = await self._database.fetch_value(self._sql["state_of"], request_id)
            if current is None:
                raise RequestNotFound(request_id)
            # Otherwise it was made between the two statements.
            if current != State.PROCESSING:
                raise RequestStateConflict(request_id, State(current), State.PROCESSING)


def _stored(row: Record) -> StoredRequest:
    found = StoredRequest(*row.values())
    return found if found.response is None else replace(found, response=unpacked(found.response))
