"""Single queued calls for tests, made as the engine makes them, and what is left of them."""

from typing import Any
from uuid import UUID

import msgspec

from dwctl.core.ids import new_id, new_uuid
from dwctl.db.postgres import Database
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import AGAIN, Claimed, Settled, Single
from dwctl.requests.queue.windows import deadline_of
from dwctl.requests.record import Record, State

QUESTION = b'{"input":"a secret"}'
ANSWER = b'{"output":[]}'


def single(**more: Any) -> Single:
    """A call that nobody has accepted."""
    fields: dict[str, Any] = {
        "id": new_uuid(),
        "group_id": new_uuid(),
        "tier": "background",
        "path": "/v1/responses",
        "model": "m",
        "owner_id": new_uuid(),
        "creator_id": new_uuid(),
        "key_id": new_uuid(),
        "run_key_id": new_uuid(),
        "completion_window": "0s",
        "deadline": deadline_of("1h"),
        "body": QUESTION,
    }
    return Single(**fields | more)


def outcome(call: Single, claimed: Claimed, verdict: int, holder: UUID) -> Settled:
    """What came of it; another try comes at once."""
    state = State.FAILED if verdict == AGAIN else State(verdict)
    record = Record(
        id=str(call.id),
        attempt=claimed.attempt,
        state=int(state),
        created_at=1_700_000_000.0,
        completed_at=1_700_000_001.0,
        path=call.path,
        model=call.model,
        owner_id=str(call.owner_id),
        creator_id=str(call.creator_id),
        key_id=str(call.key_id),
        daemon_id=str(holder),
        status_code=200 if state == State.COMPLETED else 500,
        background=True,
    )
    body = ANSWER if state == State.COMPLETED else None
    return Settled(record=record, verdict=verdict, body=body)


async def claim(store: QueueStore, holder: UUID) -> list[Claimed]:
    """All that waits."""
    return await store.claim(holder, {lane.id: 100 for lane in await store.lanes()})


async def row(database: Database, request_id: UUID) -> dict[str, Any]:
    """The row, its place in the queue and its bodies."""
    found = await database.fetch_row(
        """select r.*, q.id is not null as queued, q.ending, q.attempt as waiting,
            coalesce(c.request, b.request, b.large_request) as request,
            coalesce(c.response, b.response, b.large_response) as response
        from requests r
        left join queue q on q.id = r.id
        left join contents c on c.id = r.id
        left join request_bodies b on b.id = r.id
        where r.id = $1""",
        request_id,
    )
    assert found is not None
    return dict(found)


def recorded(ident: str, owner: str, *, ended: bool, **more: Any) -> Record:
    """A call that is run at once, at its start or its end."""
    record = Record(
        id=ident,
        created_at=1_700_000_000.5,
        path="/v1/responses",
        model="m",
        owner_id=owner,
        creator_id=owner,
        key_id=owner,
        daemon_id=owner,
        **more,
    )
    if not ended:
        return record
    return msgspec.structs.replace(
        record, state=int(State.COMPLETED), completed_at=1_700_000_001.0, status_code=200
    )


def ident() -> str:
    """An id of a call."""
    return new_id()
