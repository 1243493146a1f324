"""How a batch is shown: its status and times are derived from its stamps (spec/platform §8.5). Pure.

There is no `finalizing`: the statement that settles the last request ends the batch. `expired_at` is there when it was
not done by its deadline; such a batch goes on all the same, and has no status of its own.
"""

from datetime import datetime

import msgspec

from dwctl.engine.batches.structs import (
    Analytics,
    Batch,
    BatchErrors,
    BatchRow,
    InputDetails,
    OutputDetails,
    RequestCounts,
    Source,
    Status,
    Usage,
)
from dwctl.usage.money import plain


def status_of(row: BatchRow) -> Status:
    """The first that holds."""
    if row.cancelling_at is not None:
        return "cancelling" if row.cancelled_at is None else "cancelled"
    if row.started_at is None:
        return "validating" if row.failed_at is None else "failed"
    if row.completed_at is not None:
        return "completed"
    if row.failed_at is not None:
        return "failed"
    return "in_progress" if row.cancelled_at is None else "cancelled"


def is_over(row: BatchRow) -> bool:
    """Whether nothing of it will change any more by itself."""
    return status_of(row) in ("completed", "failed", "cancelled")


def shown(row: BatchRow, now: datetime, *, analytics: bool = False) -> Batch:
    """As its JSON."""
    status = status_of(row)
    ended = (
        row.cancelled_at
        if row.cancelling_at is not None
        else row.completed_at or row.failed_at or row.cancelled_at
    )
    late = (ended or now) > row.expires_at
    return Batch(
        id=row.id,
        endpoint=row.endpoint,
        errors=None if row.errors is None else msgspec.convert(row.errors, BatchErrors),
        input_file_id=row.file_id,
        completion_window=row.completion_window,
        status=status,
        output_file_id=row.output_file_id,
        error_file_id=row.error_file_id,
        created_at=_required(row.created_at),
        in_progress_at=_unix(row.started_at),
        expires_at=_required(row.expires_at),
        finalizing_at=_unix(row.completed_at),
        completed_at=_unix(row.completed_at),
        failed_at=_unix(row.failed_at),
        expired_at=_unix(row.expires_at) if late else None,
        cancelling_at=_unix(row.cancelling_at),
        cancelled_at=_unix(row.cancelled_at),
        request_counts=RequestCounts(total=row.total, completed=row.completed, failed=row.failed),
        metadata=_metadata(row),
        usage=Usage(
            input_tokens=row.prompt_tokens,
            input_tokens_details=InputDetails(row.cached_tokens),
            output_tokens=row.completion_tokens,
            output_tokens_details=OutputDetails(row.reasoning_tokens),
            total_tokens=row.total_tokens,
        ),
        analytics=analytics_of(row) if analytics else msgspec.UNSET,
        dwext=Source(source=row.request_source),
    )


def analytics_of(row: BatchRow) -> Analytics:
    """From its counters."""
    return Analytics(
        total_requests=row.completed + row.failed,
        total_prompt_tokens=row.prompt_tokens,
        total_completion_tokens=row.completion_tokens,
        total_reasoning_tokens=row.reasoning_tokens,
        total_tokens=row.total_tokens,
        avg_duration_ms=row.duration_ms / row.runs if row.runs else None,
        avg_ttfb_ms=row.first_byte_ms / row.first_bytes if row.first_bytes else None,
        total_cost=plain(row.cost),
    )


def _metadata(row: BatchRow) -> dict[str, str]:
    found = dict(row.metadata, request_source=row.request_source)
    if row.creator_email is not None:
        found["created_by_email"] = row.creator_email
    return found


def _unix(moment: datetime | None) -> int | None:
    return None if moment is None else _required(moment)


def _required(moment: datetime) -> int:
    return int(moment.timestamp())
