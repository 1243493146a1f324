"""Rows and public shapes of files (spec/platform §1.15)."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

Purpose = Literal["batch", "user_data", "vision", "assistants", "evals"]
"""What may be uploaded."""
OUTPUT, ERRORS = "batch_output", "batch_error"
"""What batches make."""
PURPOSES = ("batch", "user_data", "vision", "assistants", "evals")


class FileRow(msgspec.Struct, frozen=True):
    """A file that can be seen."""

    id: UUID
    name: str
    purpose: str
    bytes: int | None
    """None when the batch that it belongs to is gone."""
    lines: int
    models: dict[str, Any] | None
    """None in a list."""
    owner_id: UUID
    creator_id: UUID
    batch_id: UUID | None
    created_at: datetime
    expires_at: datetime | None
    creator_email: str | None
    owner_type: str | None
    owner_name: str | None


class OutcomeSource(msgspec.Struct, frozen=True):
    """A batch, as the place where the lines of its output and error file are."""

    id: UUID
    first_id: UUID
    last_id: UUID
    completed: int
    last_error: int
    ended_at: datetime | None
    """Null while it may still change by itself."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of one request."""

    position: int
    id: UUID
    custom_id: str | None
    state: int
    status_code: int | None
    response: bytes | None
    error_code: str | None
    error_message: str | None


class Span(msgspec.Struct, frozen=True):
    """What is taken of a file: entries from `start` on and before `stop`, counted from 0."""

    start: int
    stop: int
    next: int
    """Where a client goes on."""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """The public object: OpenAI's fields, then the contract's."""

    id: UUID
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    expires_at: int | None
    created_by_email: str | None
    context_name: str | None
    context_type: Literal["personal", "organization"]
    source: str | None = None
    source_name: str | None = None


class FileList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of files."""

    object: Literal["list"] = "list"
    data: list[File]
    first_id: UUID | None
    last_id: UUID | None
    has_more: bool


class FileDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is gone."""

    id: UUID
    object: Literal["file"] = "file"
    deleted: bool = True


class ModelEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """What the requests for one model may come to."""

    model: str
    request_count: int
    estimated_input_tokens: int
    estimated_output_tokens: int
    estimated_cost: str


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch over a file may come to."""

    file_id: UUID
    completion_window: str
    total_requests: int
    total_estimated_input_tokens: int
    total_estimated_output_tokens: int
    total_estimated_cost: str
    models: list[ModelEstimate]


def shown(row: FileRow) -> File:
    """The public object of a row."""
    organization = row.owner_type == "organization"
    return File(
        id=row.id,
        bytes=row.bytes or 0,
        created_at=int(row.created_at.timestamp()),
        filename=row.name,
        purpose=row.purpose,
        expires_at=None if row.expires_at is None else int(row.expires_at.timestamp()),
        created_by_email=row.creator_email,
        context_name=row.owner_name if organization else "Personal",
        context_type="organization" if organization else "personal",
    )
