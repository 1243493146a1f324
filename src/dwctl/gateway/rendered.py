"""A call as a model server gets it."""

import msgspec

from dwctl.gateway.upstream.address import Address
from dwctl.gateway.upstream.connection import Source
from dwctl.routing.condition import Load
from dwctl.routing.snapshot import Target


class Upstream(msgspec.Struct, frozen=True):
    """What is the same for every call to a target on a route, rendered once."""

    target: Target
    address: Address
    path: bytes
    """The request target without the query."""
    headers: bytes
    """Host, credential and coding of the answer, each line ended; and the body's type where a route has just one."""
    load: Load
    """Of the target, on whatever route and under whatever alias."""
    announced: bytes = b""
    """Headers for the client that this target's answers carry, each line ended."""
    announced_names: frozenset[bytes] = frozenset()
    """In lower case; the answer's own headers of these names give way."""
    turned: bool = False
    """Whether its server is sent a response's request for a chat (gateway/chat_adapter.py)."""


class Rendered(msgspec.Struct, frozen=True):
    """A call as one target gets it."""

    upstream: Upstream
    request: bytes
    hide_usage: bool
    """Whether usage was asked for in the client's place."""
    source: Source | None = None
    """The body, when it is not part of the request's bytes."""
