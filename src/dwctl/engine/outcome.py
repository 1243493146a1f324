"""What is to be written of an attempt that is over. Pure."""

from datetime import UTC, datetime
from uuid import UUID

from dwctl.engine.policy import Verdict
from dwctl.requests.queue.lines import line_of
from dwctl.requests.queue.structs import AGAIN, Claimed, Lane, Settled
from dwctl.requests.record import Record, State

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


def unrun(lane: Lane, claimed: Claimed, holder: UUID, now: float, *, state: int = State.FAILED) -> Record:
    """The record of a request that was claimed and never sent: cancelled, or without its input."""
    code, text = "input_missing", "The file with this request was deleted before it was run."
    if state == _CANCELED:
        code = "cancelled" if lane.batch_id is None else "batch_cancelled"
        text = "This request was cancelled before it was run."
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
        state=int(state),
        status_code=0 if state == _CANCELED else 410,
        error_code=code,
        error_message=text,
    )
