"""A call in another protocol than its model server's: the request is translated, the answer reshaped.

Of a route whose clients always speak another one (`Route.dialect`), or of a model whose server does not know the route
(`Route.adapter`).
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from dwctl.gateway.reshape import Reshape
from dwctl.requests.record import Record
from dwctl.wire.errors import Problem


class Translated(msgspec.Struct, frozen=True):
    """A request in the model servers' protocol."""

    body: bytes
    stops: tuple[str, ...] = ()
    """Its stop sequences, by which an answer's end can be told."""


class Dialect(Protocol):
    """One for each such route; pure."""

    def request(self, body: bytes) -> Translated:
        """Translate a client's body; raises `Refused` with 400 for what cannot be understood."""
        ...

    def reshape(
        self, record: Record, asked: bytes, translated: Translated, now: Callable[[], float]
    ) -> Reshape:
        """The way back for a call that has begun; `asked` is the client's own body, `now` tells unix seconds."""
        ...

    def refusal(self, problem: Problem) -> Problem:
        """An error from before there is a call."""
        ...
