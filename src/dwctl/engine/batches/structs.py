"""Batches on the wire and as they are stored (spec/platform §1.15, spec/wire-api §2.8)."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import msgspec

from dwctl.web.body import Body

Status = Literal["validating", "failed", "in_progress", "completed", "cancelling", "cancelled"]
LEAST_EXPIRY, MOST_EXPIRY = 3600, 2_592_000


class OutputExpiry(msgspec.Struct, frozen=True, kw_only=True):
    """How long the files of what comes out are kept."""

    anchor: Literal["created_at"]
    seconds: int


class BatchCreate(Body, kw_only=True):
    """Body of POST."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, Any] | None = None
    output_expires_after: OutputExpiry | None = None


class RetryRequests(Body, kw_only=True):
    """Body of POST retry-requests."""

    request_ids: list[str]


class RequestCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How far it is."""

    total: int
    completed: int
    failed: int


class InputDetails(msgspec.Struct, frozen=True):
    """Of the input."""

    cached_tokens: int


class OutputDetails(msgspec.Struct, frozen=True):
    """Of the output."""

    reasoning_tokens: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens so far, of all attempts."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class Analytics(msgspec.Struct, frozen=True, kw_only=True):
    """What it has come to so far."""

    total_requests: int
    """Requests with an outcome."""
    total_prompt_tokens: int
    total_completion_tokens: int
    total_reasoning_tokens: int
    total_tokens: int
    avg_duration_ms: float | None
    avg_ttfb_ms: float | None
    total_cost: str
    """A decimal string."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where it comes from; all but the first are of files that are fetched from elsewhere."""

    source: str
    """`api` for a key, `frontend` for a session."""
    source_id: str | None = None
    source_name: str | None = None
    source_file: str | None = None
    sync_id: str | None = None


class BatchError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a batch never started."""

    code: str | None
    message: str
    param: str | None = None
    line: int | None = None


class BatchErrors(msgspec.Struct, frozen=True, kw_only=True):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[BatchError]


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as shown. Times are unix seconds; what has not happened is null."""

    id: UUID
    object: Literal["batch"] = "batch"
    endpoint: str
    errors: BatchErrors | None
    input_file_id: UUID | None
    """Null once the file is deleted."""
    completion_window: str
    status: Status
    output_file_id: UUID
    error_file_id: UUID
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    """When it was to be done, if it was not done by then."""
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    metadata: dict[str, str]
    usage: Usage
    analytics: Analytics | msgspec.UnsetType = msgspec.UNSET
    """With `include=analytics`."""
    dwext: Source


class BatchList(msgspec.Struct, frozen=True, kw_only=True):
    """A page."""

    object: Literal["list"] = "list"
    data: list[Batch]
    first_id: UUID | None
    last_id: UUID | None
    has_more: bool


class BatchRow(msgspec.Struct, frozen=True):
    """A row of `batches`."""

    id: UUID
    owner_id: UUID
    creator_id: UUID
    creator_email: str | None
    file_id: UUID | None
    file_name: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str]
    request_source: str
    output_file_id: UUID
    error_file_id: UUID
    created_at: datetime
    expires_at: datetime
    total: int
    completed: int
    failed: int
    canceled: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    total_tokens: int
    cost: Decimal
    runs: int
    duration_ms: float
    first_bytes: int
    first_byte_ms: float
    retry_to: int | None
    started_at: datetime | None
    completed_at: datetime | None
    failed_at: datetime | None
    cancelling_at: datetime | None
    cancelled_at: datetime | None
    errors: dict[str, Any] | None
    first_id: UUID
    last_id: UUID


class FileRow(msgspec.Struct, frozen=True):
    """A file that a batch may be made of."""

    id: UUID
    name: str
    purpose: str
    lines: int
    models: dict[str, Any]
    owner_id: UUID


class ModelRow(msgspec.Struct, frozen=True):
    """A model as admission sees it."""

    alias: str
    throughput: float | None
    windows: list[str] | None
    denied: bool
    """A traffic rule turns lines of batches away."""


class ResultRow(msgspec.Struct, frozen=True, gc=False):
    """A line and what has become of it."""

    line: int
    custom_id: str | None
    model: str
    id: UUID | None
    """None before it is a request."""
    state: int | None
    running: bool
    status_code: int | None
    error_code: str | None
    error_message: str | None
    body: bytes | None
    response: bytes | None
