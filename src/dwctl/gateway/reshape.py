"""What an answer goes through on its way to a client that is to see another form of it than the upstream gave.

Translation into another protocol is such a form; most calls have none. The row keeps what the upstream said, with our
id, but an error keeps what the client was told. What of an answer nobody is to see, neither the client nor the row,
is gone before a reshape sees it (gateway/sanitise.py).
"""

from typing import Protocol

from dwctl.wire.errors import Problem


class Reshape(Protocol):
    """One for each call; pure, bytes in and bytes out."""

    def whole(self, status: int, body: bytes) -> tuple[int, bytes]:
        """Status and body for the client, of a complete answer that came as JSON, errors included."""
        ...

    def feed(self, events: bytes) -> bytes:
        """Events for the client, of one or more whole events of the upstream's stream; may be empty."""
        ...

    def end(self) -> bytes:
        """What the client still gets when the upstream's stream has ended; may be empty."""
        ...

    def refusal(self, problem: Problem) -> Problem:
        """An error of ours before anything was sent, in the client's protocol."""
        ...

    def last_event(self, problem: Problem) -> bytes:
        """The event that ends a stream which has begun, when there will be no more of it."""
        ...
