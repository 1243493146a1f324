"""A route that speaks another protocol than the model servers: its requests are translated, its answers reshaped."""

from typing import Protocol

import msgspec

from dwctl.gateway.reshape import Reshape
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

    def reshape(self, ident: str, model: str, asked: Translated) -> Reshape:
        """The way back: `ident` is the id of the call's row, `model` the alias asked for."""
        ...

    def refusal(self, problem: Problem) -> Problem:
        """An error from before there is a call."""
        ...
