"""The ways out of the gateway for calls that need what is stored. The composition root fills them in.

The gateway has admitted the call: the key is live and may use the model. A call that is not run at once is taken, and
who takes it answers the exchange, now or later. A call that refers to what is stored (`previous_response_id`,
`conversation`, items and files by their ids) is expanded: it comes back with everything in its body, and goes on.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from dwctl.wire.errors import Problem
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
    ident: str | None = None
    """The id that its row gets; None when nobody has chosen one."""
    conversation: str | None = None
    """The id of the conversation in which it has its place now; who does not queue it gives the place back."""


class ContextCall(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A call that refers to what is stored."""

    body: bytes
    """The client's JSON."""
    owner_id: str
    ident: str
    """The id of its row, which may be there already."""
    queued: bool
    """Whether it is a request that was accepted before and is run now."""


class Expanded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The same call with everything in its body."""

    body: bytes
    """`input` is the whole list of items; there is no `previous_response_id` and no `conversation`."""
    ident: str
    """The id that its row gets."""
    echoed: dict[str, bytes]
    """Members of the response object by name, as JSON: what the upstream was not told."""
    conversation: str | None = None
    """The id of the conversation in which it has its place now; None when it is in none."""


class Stateful(Protocol):
    """What the engine is to the gateway."""

    def take(self, exchange: Exchange, call: QueuedCall) -> None:
        """Answer it, with exactly one `finish`. Raises `Refused` for what cannot be queued, and nothing else."""
        ...


class Contexts(Protocol):
    """Who expands calls."""

    def expand(self, call: ContextCall, told: Callable[[Expanded | Problem], None]) -> Callable[[], None]:
        """Begin it. `told` is called once, later; calling what is returned says that nobody wants to know any more."""
        ...

    def forget(self, expanded: Expanded) -> None:
        """The call did not begin: it has no place in its conversation."""
        ...
