"""The way out of the gateway for calls that are not run at once: queued work. The composition root fills it in.

The gateway has admitted the call: the key is live and may use the model. Who takes it answers the exchange, now or
later.
"""

from typing import Protocol

import msgspec

from dwctl.wire.exchange import Exchange


class QueuedCall(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A call that its client wants queued."""

    path: str
    """As rows name it, such as `/v1/responses`."""
    body: bytes
    """The client's JSON."""
    model: str
    key_id: str
    owner_id: str
    creator_id: str
    flex: bool
    """`service_tier: "flex"`; otherwise `background: true` alone."""
    background: bool
    """Whether its client polls; otherwise it waits for the answer."""
    stream: bool
    stored: bool
    """Whether it can be read as a response afterwards."""
    user_agent: str | None
    lines: bytes
    """Headers that the answer carries besides its own, each line ended."""


class Stateful(Protocol):
    """What the engine is to the gateway."""

    def take(self, exchange: Exchange, call: QueuedCall) -> None:
        """Answer it, with exactly one `finish`. Raises `Refused` for what cannot be queued, and nothing else."""
        ...
