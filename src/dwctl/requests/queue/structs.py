"""What the queue hands out and takes back."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from dwctl.requests.record import Record

Tier = Literal["batch", "flex", "background"]

AGAIN = 0
"""A verdict: another try follows. The other verdicts are the terminal states of `record.State`."""


class Step(msgspec.Struct, frozen=True):
    """What one step of populating has done."""

    made: int
    """Lines that wait now."""
    started: bool
    """They were the last ones."""


class Lane(msgspec.Struct, frozen=True, gc=False):
    """A line of waiting: the requests of one batch for one model, or single calls of one account, tier and model."""

    id: int
    tier: str
    model: str
    owner_id: UUID
    creator_id: UUID
    key_id: UUID | None
    """The key that is charged; None when a session made the batch."""
    run_key: bytes | None
    """SHA-256 of the hidden key as which its requests run; None when that key is gone."""
    batch_id: UUID | None
    completion_window: str
    deadline: datetime
    """Of its batch; of single calls, which have their own, the nearest of them."""
    batch_created_at: datetime | None
    endpoint: str | None
    metadata: dict[str, Any] | None
    request_source: str | None
    live: int
    """Of a batch's lane: requests that wait in it or are being run. Of single calls always zero."""
    head: int
    """The rank of the first that waits."""
    charge_key: bytes | None
    """SHA-256 of the key that is charged, whose budget binds them too; None when there is none."""


class Claimed(msgspec.Struct, frozen=True, gc=False):
    """A request that this process holds, and what it needs to run it."""

    id: UUID
    lane_id: int
    rank: int
    """Its place in the lane."""
    line: int | None
    """Of its file, from 0; None for a single call."""
    attempt: int
    retries: int
    """Tries that failed before; one whose process died does not count."""
    deadline: datetime
    path: str | None
    """As the upstream contract names it, such as `/v1/chat/completions`; None when the file is gone, and so `body`."""
    custom_id: str | None
    body: bytes | None
    logged: bool
    """Whether its events are shown while it runs."""
    created_at: datetime | None
    """Of a single call."""


class Settled(msgspec.Struct, kw_only=True, gc=False):
    """What came of one attempt."""

    record: Record
    """In a terminal state, of the attempt that was claimed; of a try that another follows, failed."""
    verdict: int
    """`AGAIN`, or the record's state."""
    not_before: datetime | None = None
    """With `AGAIN`: no sooner; None at once."""
    body: bytes | None = None
    """The answer's; None when there is none."""
    size: int = 0
    """Bytes of its line in the batch's output or error file; zero for a single call."""


class Settlement(msgspec.Struct, frozen=True):
    """What a `settle` did."""

    accepted: frozenset[UUID]
    """The others had lost their lease: their rows stand as somebody else left them."""
    ended: frozenset[UUID]
    """Batches that have ended with it."""


class Told(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a process tells the others of one model."""

    model: str
    wants: bool
    """Whether it has queued work for it."""
    batch: int
    """Queued requests that it runs."""
    interactive: int
    """Its other calls under way."""
    most: float
    """Calls of both kinds that the model can take from all processes, as far as it knows."""


class Single(msgspec.Struct, frozen=True, kw_only=True):
    """A queued call that belongs to no batch."""

    id: UUID
    group_id: UUID
    """What the contract calls its batch id."""
    tier: Tier
    path: str
    model: str
    owner_id: UUID
    creator_id: UUID
    key_id: UUID | None
    run_key_id: UUID
    completion_window: str
    deadline: datetime
    body: bytes
    stream: bool = False
    background: bool = True
    """Whether its client polls for it; False when it waits."""
    purpose: str = "batch"
    origin: str = "api"
    service_tier: str = "default"
    user_agent: str | None = None
    stored: bool = True
    """Whether it can be read as a response; otherwise its content goes once its client has the answer."""
