"""The seam between the engine and the gateway: one queued request, run through the gateway's pipeline in this process.

`gateway/` implements `Dispatch`, `engine/` calls it. Access, rules, limits, routing, money and metering are those of a
call that comes over the wire; what differs is who records it: the record and the answer are handed back, and the
engine writes them with the queue in one transaction. Identity is an object: nothing that a client sends can claim it.
"""

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

import msgspec

from dwctl.requests.record import Record


class Tap(Protocol):
    """Who is shown the answer's events while they come."""

    on_writable: Callable[[bool], None] | None
    """Set by whoever runs the errand: called with False when no more is to come for now, then with True."""

    def feed(self, events: bytes) -> None:
        """Whole events of the answer, as the model server sent them but for the ids, which are ours."""
        ...


class Errand(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attempt at a queued request."""

    id: UUID
    attempt: int
    path: str
    """As the upstream contract names it, such as `/v1/chat/completions`."""
    body: bytes
    """The request's JSON."""
    run_key: bytes
    """SHA-256 of the hidden key as which it runs: access and account are that key's."""
    owner_id: UUID
    creator_id: UUID
    asked: str
    """The model that it asks for, as its row names it."""
    charge_key: bytes | None = None
    """SHA-256 of the key that is charged: while it lives its budget binds the call too."""
    key_id: UUID | None
    """The key that its row and its charge name; None when a session made it."""
    window: str | None
    """The completion window, which chooses among the tariffs of the purpose `batch`."""
    origin: str
    service_tier: str
    model: str | None = None
    """In place of the body's: escalation. The record keeps the one asked for."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Sent upstream besides the usual ones."""
    tap: Tap | None = None
    """With it the model server is asked for a stream. One that answers with a whole object shows nothing."""


Done = Callable[[Record, bytes, float], None]
"""Called exactly once, in a later turn of the loop, and must not raise: the record in a terminal state of the errand's
attempt; the body of the answer as JSON, of a stream put together to what it would have been without streaming; and for
how many seconds the answer asks not to be asked again, or 0. Also for a call that the gateway refused: its record then
has the refusal's status, code and message, and the body is the refusal's. Empty is the body of a canceled call."""


class Dispatch(Protocol):
    """Runs errands."""

    def run(self, errand: Errand, done: Done) -> Callable[[], None]:
        """Begin one; gives what ends it early: it is then `done` as canceled."""
        ...
