"""Who calls and what for: what the gateway makes of a head, a body and the snapshot."""

import msgspec

from dwctl.gateway.peeked import Peek
from dwctl.routing.snapshot import Key, Model
from dwctl.usage.prices import Tariff


class Caller(msgspec.Struct, frozen=True, gc=False):
    """From the headers alone: nothing here depends on keys, models or the body."""

    digest: bytes | None
    """SHA-256 of the API key; None when there is none."""
    override: str | None
    """The model that goes before the body's."""
    user_agent: str | None
    passed_on: bytes
    """The headers that go on to an upstream, each line ended."""
    coding: str | None
    """How the body is compressed (gateway/inflate.py); None when it is not."""
    cors: bytes
    """The lines by which a browser may show its page the answer."""
    trace: bytes
    """The trace that it belongs to, as lines for an upstream that is trusted; empty when there is none."""


class Admission(msgspec.Struct, frozen=True, gc=False):
    """A call that may go on."""

    key: Key
    model: Model
    """The one asked for: on the record, and what the client is told."""
    answering: Model
    """The one whose targets are called; another one when a traffic rule leads there."""
    peeked: Peek

    @property
    def tariff(self) -> Tariff | None:
        """What prices the call; None when it is free."""
        tariffs = self.answering.tariffs
        return None if tariffs is None else tariffs.of(self.key.purpose)
