"""Recorded calls on the wire (spec/platform §1.11; fields beyond the contract are listed in decision 0026)."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

Status = Literal["queued", "in_progress", "completed", "failed", "cancelled"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One call, without its bodies. What has not happened yet, or never will, is null."""

    id: str
    """`resp_<uuid>`: what the answer carried, for GET /ai/v1/responses/{id} too."""
    timestamp: datetime
    status: Status
    method: str
    uri: str
    model: str
    """The alias asked for."""
    response_type: str
    """Such as `chat_completion`, or `chat_completion_stream` when it was streamed."""
    streamed: bool
    status_code: int | None
    """What the client got; 499 when it left first."""
    duration_ms: float | None
    duration_to_first_byte_ms: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    """Input that a cache gave, and in `cache_write_tokens` what was written to one; both are part of the input."""
    cache_write_tokens: int | None
    total_tokens: int | None
    audio_seconds: float | None
    """Of sound, where that is what the model server counts."""
    usage_estimated: bool
    """Whether some of the tokens are an estimate of ours, for the model server did not tell them."""
    tariff_id: UUID | None
    """What priced the call; null when it was free."""
    total_cost: str | None
    """What it was charged, a decimal string; null when it was free, and until it has ended."""
    finish_reason: str | None
    error_code: str | None
    error_message: str | None
    service_tier: str
    request_size: int
    """Bytes of the client's body."""
    response_size: int | None
    """Bytes of the answer's body."""
    user_agent: str | None
    user_id: UUID
    """Who owns the key."""
    user_email: str | None
    key_id: UUID | None
    """This and the next two: null for calls and batches of a session."""
    key_name: str | None
    key_prefix: str | None
    endpoint_id: UUID | None
    """This and the next four: only for those who may read endpoints."""
    endpoint_name: str | None
    target_model: str | None
    upstream_status: int | None
    overhead_ms: float | None
    """Time spent here before the upstream was called."""
    fusillade_batch_id: UUID | None
    """The batch that the call is a line of; of a single queued call a group of its own."""
    custom_id: str | None
    """Of a line."""
    background: bool
    """Whether it was made with `background: true`."""
    attempt: int
    """Which try this is, from 1; only queued calls have a second one."""
    started_at: datetime | None
    """When its try began; null while it waits, and when it never ran."""
    completed_at: datetime | None
    deadline: datetime | None
    """When a queued call is to be done."""


class Attempt(msgspec.Struct, frozen=True):
    """A try that failed and was followed by another one."""

    attempt: int
    started_at: datetime | None
    ended_at: datetime
    status_code: int | None
    error_code: str | None
    error_message: str | None


class ToolCall(msgspec.Struct, frozen=True):
    """A tool of the server that the call has called, whether it went well or not."""

    attempt: int
    """The try that called it."""
    name: str
    tool_source_id: UUID | None
    """Only for those who may read tool sources. The source may be gone."""
    outcome: str
    """`ok`, or why it failed, in a word."""
    latency_ms: float
    ended_at: datetime
    item_id: str | None
    """The item of the response that it is."""


class EventStep(msgspec.Struct, frozen=True, kw_only=True):
    """Events of a background stream: one, or several of one type and one item that followed each other."""

    type: str
    first: int
    """`sequence_number` of the first, and in `last` of the last one."""
    last: int
    output_index: int | None
    item_type: str | None
    """Where the event has an item: what it is, and in `item_name` of a call its name."""
    item_name: str | None
    at: datetime | None
    """When the first was shown at the earliest, and in `last_at` the last one; null where that is not known."""
    last_at: datetime | None


class Events(msgspec.Struct, frozen=True):
    """What a background stream consists of so far; no other call has a log of its events."""

    steps: list[EventStep]
    further: bool
    """Whether the log goes on behind what is read of it, 8 MiB."""


class EntryPage(msgspec.Struct, frozen=True):
    """A page. It may be shorter than asked for, even empty, and still have a next one: filters read a limited number
    of rows at a time. The end is where `next_cursor` is null."""

    entries: list[Entry]
    next_cursor: str | None


class RequestDetail(Entry, frozen=True, kw_only=True):
    """One call with its bodies, null where they were not recorded."""

    request_body: str | None
    """As the client sent it, as text."""
    response_body: str | None
    """As the client got it, as text; of a stream its events."""
    attempts: list[Attempt]
    """The tries before this one."""
    tool_calls: list[ToolCall]
    """What it has called of the server's tools, in the order in which these calls ended."""
    response: dict[str, Any]
    """The same call as a Responses object, with a stream put together."""
