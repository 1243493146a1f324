"""A batch's requests beside what came of them, line by line, while it runs too (spec/responses §4.8).

Read page by page, each a statement of its own: a slow client holds no connection, and one that leaves holds nothing.
"""

from collections.abc import AsyncIterator

import msgspec

from dwctl.core.errors import BadRequest
from dwctl.engine.batches.status import is_over
from dwctl.engine.batches.store import BatchStore
from dwctl.engine.batches.structs import BatchRow, ResultRow
from dwctl.requests.queue.lines import json_of
from dwctl.requests.record import State

STATUSES = ("pending", "in_progress", "completed", "failed", "canceled")
PAGE = 500
PAGE_BYTES = 1024 * 1024
SCAN = 5000
"""Lines that one statement looks at for those that fit."""
_encode = msgspec.json.Encoder().encode
_ENDS = {State.FAILED: "failed", State.COMPLETED: "completed", State.CANCELED: "canceled"}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines: after the first `skip` of those that fit, at most `limit` of them."""

    skip: int = 0
    limit: int | None = None
    search: str | None = None
    """A part of the custom_id."""
    status: str | None = None

    @property
    def narrowed(self) -> bool:
        """Whether it takes reading to know which fit."""
        return self.search is not None or self.status is not None


class Results(msgspec.Struct, frozen=True):
    """What is answered."""

    text: AsyncIterator[bytes]
    incomplete: bool
    next: int | None
    """The `skip` with which a later call goes on; None when that is not known beforehand."""


def results(store: BatchStore, batch: BatchRow, part: Part) -> Results:
    """The lines as JSONL."""
    if part.status is not None and part.status not in STATUSES:
        raise BadRequest(
            f"status: expected one of {', '.join(STATUSES)}, got '{part.status}'", param="status"
        )
    total = None if part.narrowed else batch.total
    end = total if total is None or part.limit is None else min(total, part.skip + part.limit)
    return Results(
        _lines(store, batch, part), not is_over(batch), None if end is None else max(end, part.skip)
    )


async def _lines(store: BatchStore, batch: BatchRow, part: Part) -> AsyncIterator[bytes]:
    skip, left = part.skip, batch.total if part.limit is None else part.limit
    line = 0 if part.narrowed else skip
    if not part.narrowed:
        skip = 0
    while left > 0 and line < batch.total:
        stop = min(batch.total, line + SCAN)
        rows = await store.results(
            batch,
            range(line, stop),
            search=part.search,
            statuses=None if part.status is None else [part.status],
            most=min(PAGE, skip + left),
            most_bytes=PAGE_BYTES,
        )
        line = rows[-1].line + 1 if rows else stop
        wanted = rows[skip : skip + left]
        skip = max(0, skip - len(rows))
        left -= len(wanted)
        if wanted:
            yield b"".join(rendered(batch, row) for row in wanted)


def rendered(batch: BatchRow, row: ResultRow) -> bytes:
    """One line: `id` is null before the line is a request, `input_body` once its file is deleted."""
    ended = row.state is not None and row.state >= State.FAILED
    return (
        b'{"id":%b,"custom_id":%b,"model":%b,"input_body":%b,"response_body":%b,"error":%b,"status":"%b"}\n'
        % (
            _encode(row.id),
            _encode(row.custom_id),
            _encode(row.model),
            b"null" if row.body is None else json_of(row.body),
            b"null" if row.response is None or not ended else json_of(row.response),
            _encode(_error(row) if ended else None),
            status_of(batch, row).encode(),
        )
    )


def status_of(batch: BatchRow, row: ResultRow) -> str:
    """Of a request; the statements know the same."""
    if row.state is not None and row.state >= State.FAILED:
        return _ENDS[State(row.state)]
    if row.id is None and batch.cancelled_at is not None:
        return "canceled"
    return "in_progress" if row.running else "pending"


def _error(row: ResultRow) -> str | None:
    if row.state == State.COMPLETED:
        return None
    status = None if row.status_code is None else f"The model server answered {row.status_code}."
    return row.error_message or row.error_code or status
