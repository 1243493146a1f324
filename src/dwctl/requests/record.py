"""What is written about a call, twice in its life, as it lies in the spool and goes to the database.

A call writes its record before anything is sent upstream, and again, completed, before the last byte of its answer
is sent to the client; both are upserts by `(id, attempt, state)`, so either may be lost, repeated or late. The second
has every field of the first: a row can be made from it alone. Ids are strings here because the hot path never needs
UUID objects.
"""

from collections.abc import Callable
from decimal import Decimal
from enum import IntEnum
from typing import Protocol

import msgspec


class State(IntEnum):
    """Where a request stands within its attempt. A larger number never gives way to a smaller one.

    completed and canceled are final; failed may be re-opened by a new attempt.
    """

    PENDING = 0
    CLAIMED = 1
    PROCESSING = 2
    FAILED = 3
    COMPLETED = 4
    CANCELED = 5


class ToolCalled(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A call of a tool that the server ran."""

    source_id: str
    name: str
    outcome: str
    """`ok`, or why it failed."""
    latency_ms: float
    item_id: str | None = None
    """The item of the response that it is. This and the next: None in spools of earlier versions."""
    ended_at: float | None = None
    """Unix seconds."""


class Record(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One call. Times are unix seconds. Made when it is admitted; what follows `request_size` is set at its end."""

    id: str
    """UUIDv7, the row's key; public form `resp_<id>`."""
    created_at: float
    path: str
    """As the upstream contract names it, such as `/v1/chat/completions`."""
    model: str
    """The alias asked for."""
    owner_id: str
    creator_id: str
    key_id: str
    daemon_id: str
    """The process that runs the call: its row in `daemons`."""
    attempt: int = 1
    state: int = State.PROCESSING
    stream: bool = False
    background: bool = False
    service_tier: str = "default"
    purpose: str = "realtime"
    origin: str = "api"
    user_agent: str | None = None
    request_size: int = 0
    """Bytes of the client's body."""
    tariff_id: str | None = None
    """What prices the call; None when it is free."""
    stored: bool = True
    """Whether it can be read as a response; otherwise its bodies are not kept."""

    completed_at: float = 0.0
    status_code: int = 0
    """What the client got; 499 when it left first (nginx's convention)."""
    upstream_status: int | None = None
    """What the last target answered; None when it never did."""
    endpoint_id: str | None = None
    target_model: str | None = None
    first_byte_ms: float | None = None
    """From the request's head to the first byte of the upstream's body."""
    duration_ms: float = 0.0
    overhead_ms: float | None = None
    """Time spent here before the upstream was called."""
    prompt_tokens: int | None = None
    """Tokens of the request, cached ones included; what else the counts include: decision 0030."""
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    total_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_seconds: float | None = None
    estimated: bool = False
    """Whether a count is ours, for the upstream did not tell it."""
    response_model: str | None = None
    finish_reason: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    response_size: int = 0
    """Bytes of the answer's body, before any framing."""
    cost: Decimal | None = None
    """What this attempt is charged; None for a free call, and until it ends."""
    position: int | None = None
    """Of a batch's line that has ended: its place in the output or error file, from 1."""
    batch_id: str | None = None
    """Of a batch's line that has ended: what its charge belongs to."""
    tool_calls: list[ToolCalled] | None = None
    """Of a call that has ended: the tools of the server that were called."""


class Waiting(Protocol):
    """Who waits for what was noted to be in the spool."""

    def noted(self) -> None:
        """It is."""
        ...


class Recording(Protocol):
    """The write-ahead side of a call; `requests/recorder.py` implements it over the spool."""

    refusal: str | None
    """Why no new call may be taken, or None."""

    def start(self, record: Record, body: bytes) -> None:
        """Note that a call was admitted, with the client's body as it came. The record is read now, not kept."""
        ...

    def finish(self, record: Record, body: bytes) -> None:
        """Note how a call ended, with the body of the answer (for a stream: its SSE text)."""
        ...

    def after(self, callback: Callable[..., None], *args: object) -> None:
        """Call back, in this or the next turn of the loop, once everything noted so far is in the spool.

        The gateway sends nothing upstream before the call's start is there, and not the last byte of the answer
        before its end is: so SIGKILL at any moment loses no answered call.
        """
        ...

    def tell(self, waiting: Waiting) -> None:
        """The same for a call itself, which needs no callback made of it. Not in order with the callbacks."""
        ...
