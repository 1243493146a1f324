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

    def missing(self) -> Problem | None:
        """What is wrong with a stream that has ended in order, but whose answer is not complete."""
        ...

    def refusal(self, problem: Problem) -> Problem:
        """An error of ours before anything was sent, in the client's protocol."""
        ...

    def last_event(self, problem: Problem) -> bytes:
        """The event that ends a stream which has begun, when there will be no more of it."""
        ...

    def keep_alive(self) -> bytes:
        """What says in a silent stream that it lives, and nothing else."""
        ...


class Chain:
    """Two forms in a row, such as sanitising and then translating. Implements `Reshape`."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Reshape, second: Reshape) -> None:
        self._first = first
        self._second = second

    def whole(self, status: int, body: bytes) -> tuple[int, bytes]:
        """Through both."""
        return self._second.whole(*self._first.whole(status, body))

    def feed(self, events: bytes) -> bytes:
        """Through both; what the first holds back does not reach the second yet."""
        passed = self._first.feed(events)
        return self._second.feed(passed) if passed else b""

    def end(self) -> bytes:
        """What the first still had, through the second; then what that one still has."""
        rest = self._first.end()
        return (self._second.feed(rest) if rest else b"") + self._second.end()

    def missing(self) -> Problem | None:
        """What the first misses; the second has not seen all of it yet."""
        return self._first.missing()

    def refusal(self, problem: Problem) -> Problem:
        """Through both."""
        return self._second.refusal(self._first.refusal(problem))

    def last_event(self, problem: Problem) -> bytes:
        """In the language of the second, which the client speaks."""
        return self._second.last_event(self._first.refusal(problem))

    def keep_alive(self) -> bytes:
        """As the second says it."""
        return self._second.keep_alive()
