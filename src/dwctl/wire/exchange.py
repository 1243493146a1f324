"""The seam between the listening protocol and the gateway: one request read whole, and the way to answer it.

`server/` implements `Exchange` on a connection and calls a `Handler` for each gateway path; `gateway/`
implements `Handler` and never sees a socket. Everything here is called on the event loop and none of it
awaits. Bytes in, bytes out: nothing on this path is decoded unless it is needed.
"""

from collections.abc import Callable
from typing import Protocol

Headers = list[tuple[bytes, bytes]]
"""Field names lower-cased, values stripped of outer white space, in the order they came."""


class Memo:
    """Room for what a handler has found out from a head alone; kept while the client repeats that head."""

    __slots__ = ("authorization", "call", "facts", "like", "used")

    def __init__(self, *, used: bool = False, like: object = None, authorization: bytes = b"") -> None:
        self.facts: object = None
        self.call: object = None
        """What the last call with that head came to."""
        self.used = used
        """Whether it is worth keeping what the next call comes to: what was kept before was of use, with this head or
        with the one before it on the connection."""
        self.like = like
        """What was found out from another head; this one differs from it by its first `authorization` alone."""
        self.authorization = authorization
        """Where there is such a head: what this one has there."""


class Exchange(Protocol):
    """One HTTP request and its answer, on one connection (HTTP/1.1, RFC 9112).

    Life: read → (`write` any number of times) → `finish` exactly once, or the client leaves, in which
    case `on_abort` is called once and every later `write` or `finish` is ignored.
    """

    method: bytes
    """Upper-case token such as `b"POST"`."""
    path: bytes
    """Raw path without the query, percent-encoding untouched, such as `b"/ai/v1/chat/completions"`."""
    query: bytes
    """Raw query without the question mark; empty when there is none."""
    body: bytes
    """The whole body, transfer coding removed; at most `limits.requests.max_body_size` bytes."""
    keep_alive: bool
    """Whether the connection can serve another request; the answer's head must say `connection: close` if not."""
    chunked_ok: bool
    """False for HTTP/1.0: an answer of unknown length is then ended by closing the connection."""
    client_host: str
    memo: Memo
    """The same object for every request of a connection whose head differs in the content-length at most."""
    received: float
    """`time.perf_counter()` when the head of the request was complete."""
    on_abort: Callable[[], None] | None
    """Set by the handler: called once if the client disconnects before `finish`."""
    on_writable: Callable[[bool], None] | None
    """Set by the handler: called with False when the client reads too slowly, with True when it caught up."""

    @property
    def headers(self) -> Headers:
        """All fields; asked for before the exchange is finished."""
        ...

    def header(self, name: bytes) -> bytes | None:
        """The first value of a field by its lower-case name."""
        ...

    def write(self, data: bytes) -> None:
        """Send raw bytes of the answer: head, body or chunk framing, already rendered."""
        ...

    def finish(self, data: bytes = b"", *, close: bool = False) -> None:
        """Send the last bytes and end the exchange; the connection then reads the next request.

        `close` ends the connection too: for an answer cut short, so that the client sees the cut.
        """
        ...


class BodySink(Protocol):
    """Who takes a request's body piece by piece; an answer of the exchange ends that."""

    def feed(self, data: bytes) -> None:
        """Some of the body."""
        ...

    def end(self) -> None:
        """It is complete."""
        ...


class Handler(Protocol):
    """What the gateway is to the server."""

    uploads: frozenset[bytes]
    """Paths whose bodies may be taken piece by piece."""

    def claims(self, method: bytes, path: bytes) -> bool:
        """Whether this path belongs to the gateway; every other one goes to the ASGI application."""
        ...

    def upload(self, exchange: Exchange) -> BodySink | None:
        """Take a request on one of the `uploads` before its body; never raises.

        None when the exchange has been answered already, or else when its body is to be read whole for `handle`.
        """
        ...

    def handle(self, exchange: Exchange) -> None:
        """Take one request. Must answer it with exactly one `finish`, now or later; never raises."""
        ...
