"""What is to be written of an attempt that is over. Pure."""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from dwctl.engine.policy import Verdict
from dwctl.requests.queue.lines import line_of
from dwctl.requests.queue.structs import AGAIN, Claimed, Lane, Settled
from dwctl.requests.record import Record, State
from dwctl.requests.store import StoredRequest

_CANCELED = int(State.CANCELED)


def outcome_of(lane: Lane, claimed: Claimed, record: Record, body: bytes, what: Verdict) -> Settled:
    """The outcome with the size of its line, where it has one."""
    if what.verdict == AGAIN:
        not_before = datetime.fromtimestamp(what.at, UTC) if what.at else None
        return Settled(record=record, verdict=AGAIN, not_before=not_before)
    size = 0
    if lane.batch_id is not None and what.verdict != _CANCELED:
        line = line_of(
            claimed.id,
            claimed.custom_id,
            what.verdict,
            record.status_code,
            body,
            record.error_code,
            record.error_message,
        )
        size = len(line)
    return Settled(record=record, verdict=what.verdict, body=body or None, size=size)


def as_stored(lane: Lane, claimed: Claimed, record: Record, body: bytes) -> StoredRequest:
    """A single call that has just ended, as it would be read back."""
    ended = datetime.fromtimestamp(record.completed_at or record.created_at, UTC)
    return StoredRequest(
        id=claimed.id,
        attempt=claimed.attempt,
        state=record.state,
        stream=claimed.logged,
        background=claimed.logged,
        status_code=record.status_code,
        created_at=claimed.created_at or ended,
        completed_at=ended,
        owner_id=lane.owner_id,
        creator_id=lane.creator_id,
        path=claimed.path or "",
        model=lane.model,
        service_tier=record.service_tier,
        prompt_tokens=record.prompt_tokens,
        completion_tokens=record.completion_tokens,
        reasoning_tokens=record.reasoning_tokens,
        cached_tokens=record.cached_tokens,
        cache_write_tokens=record.cache_write_tokens,
        total_tokens=record.total_tokens,
        error_code=record.error_code,
        error_message=record.error_message,
        request=claimed.body,
        response=body,
    )


class Why(NamedTuple):
    """Why a request ends without an answer."""

    state: State
    status: int
    code: str
    text: str


CANCELED = Why(State.CANCELED, 0, "batch_cancelled", "This request was cancelled before it was run.")
CANCELED_CALL = CANCELED._replace(code="cancelled")
MISSING = Why(State.FAILED, 410, "input_missing", "The file with this request was deleted before it was run.")
UNWRITABLE = Why(State.FAILED, 500, "internal_error", "The answer could not be stored.")


def unrun(lane: Lane, claimed: Claimed, holder: UUID, now: float, *, why: Why) -> Record:
    """The record of a claimed request that nothing is told of but why it ended."""
    return Record(
        id=str(claimed.id),
        attempt=claimed.attempt,
        created_at=now,
        completed_at=now,
        path=claimed.path or lane.endpoint or "",
        model=lane.model,
        owner_id=str(lane.owner_id),
        creator_id=str(lane.creator_id),
        # Of its row, which has one already or belongs to a session.
        key_id=str(lane.key_id or holder),
        daemon_id=str(holder),
        background=True,
        purpose="batch",
        origin="batch",
        state=int(why.state),
        status_code=why.status,
        error_code=why.code,
        error_message=why.text,
    )
