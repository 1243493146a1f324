"""One round with the model: the exchange of a call whose client is the loop of tools."""

from collections.abc import Callable
from typing import Protocol

from dwctl.requests.record import Record
from dwctl.wire.errors import Problem
from dwctl.wire.exchange import Exchange, Headers, Memo


class Loop(Protocol):
    """Whose round it is."""

    def began(self, record: Record) -> None:
        """The first round has been admitted, and so the call: this is its record."""
        ...

    def refused(self, problem: Problem) -> None:
        """The round did not become a call."""
        ...

    def opened(self, call: "RoundCall") -> None:
        """Its head is there, and events follow."""
        ...

    def told(self, data: bytes) -> None:
        """Whole events of it."""
        ...

    def ended(self, call: "RoundCall") -> None:
        """It is complete, or there will be no more of it; the record tells which."""
        ...


class RoundCall:
    """Implements `Exchange`. What it says of its client is what the client's own exchange says."""

    __slots__ = (
        "_over", "_parts", "body", "client_host", "first", "head", "loop", "memo", "on_abort", "on_writable", "outer",
        "path", "received", "record", "streams",
    )  # fmt: skip

    method = b"POST"
    query = b""
    keep_alive = True
    # An answer without framing.
    chunked_ok = False

    def __init__(self, loop: Loop, outer: Exchange, *, first: bool) -> None:
        self.loop = loop
        self.outer = outer
        self.first = first
        self.path = outer.path
        self.body = outer.body
        self.client_host = outer.client_host
        self.received = outer.received
        self.memo = Memo()
        self.on_abort: Callable[[], None] | None = None
        self.on_writable: Callable[[bool], None] | None = None
        self.head = b""
        """The answer's, without the empty line behind it."""
        self.streams = False
        """Whether events follow it."""
        self.record: Record | None = None
        """Of the round, once it has its end."""
        self._parts: list[bytes] = []
        self._over = False

    @property
    def headers(self) -> Headers:
        """The client's."""
        return self.outer.headers

    def header(self, name: bytes) -> bytes | None:
        """The first of a name."""
        return self.outer.header(name)

    @property
    def whole(self) -> bytes:
        """The body of an answer that is no stream."""
        return b"".join(self._parts)

    def write(self, data: bytes) -> None:
        """Some of the answer: its head first, by itself."""
        if self._over:
            return
        if not self.head:
            self._open(data)
            if self.streams:
                self.loop.opened(self)
        elif self.streams:
            self.loop.told(data)
        else:
            self._parts.append(data)

    def finish(self, data: bytes = b"", *, close: bool = False) -> None:
        """The last of it."""
        del close
        if self._over:
            return
        if data:
            self.write(data)
        self._over = True
        self.loop.ended(self)

    def leave(self) -> None:
        """Nobody waits for it any more."""
        self._over = True
        on_abort, self.on_abort = self.on_abort, None
        if on_abort is not None:
            on_abort()

    def _open(self, data: bytes) -> None:
        self.head, _, rest = data.partition(b"\r\n\r\n")
        lines = self.head.lower()
        self.streams = lines[9:10] == b"2" and b"\r\ncontent-type: text/event-stream" in lines
        if rest:
            self._parts.append(rest)
