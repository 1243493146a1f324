"""One gateway request on a connection, and the way to answer it."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

from dwctl.server.request_head import RequestHead
from dwctl.wire.exchange import Headers

_clock: Final = time.perf_counter


class Line(Protocol):
    """The connection, as far as an exchange needs it."""

    client_host: str
    transport: asyncio.Transport | None

    def answered(self, *, keep_alive: bool) -> None:
        """The answer is complete."""
        ...


class HttpExchange:
    """Implements `Exchange` on a connection."""

    __slots__ = (
        "_first",
        "_head",
        "_line",
        "body",
        "chunked_ok",
        "client_host",
        "keep_alive",
        "memo",
        "method",
        "on_abort",
        "on_writable",
        "path",
        "query",
        "received",
    )

    def __init__(self, line: Line, head: RequestHead, *, keep_alive: bool) -> None:
        self._line: Line | None = line
        self.method = head.method
        self.path = head.path
        self.query = head.query
        self._head = head
        self._first: dict[bytes, bytes] | None = None
        self.body = b""
        self.keep_alive = keep_alive
        self.chunked_ok = head.minor == 1
        self.client_host = line.client_host
        self.memo = head.memo
        self.received = _clock()
        self.on_abort: Callable[[], None] | None = None
        self.on_writable: Callable[[bool], None] | None = None

    @property
    def headers(self) -> Headers:
        """Every field."""
        return self._head.fields()

    def header(self, name: bytes) -> bytes | None:
        """The first value of a field."""
        first = self._first
        if first is None:
            first = self._first = dict(reversed(self.headers))
        return first.get(name)

    def write(self, data: bytes) -> None:
        """Send raw bytes."""
        if self._line is not None and self._line.transport is not None:
            self._line.transport.write(data)

    def finish(self, data: bytes = b"", *, close: bool = False) -> None:
        """Send the last bytes."""
        line, self._line = self._line, None
        if line is not None:
            if data and line.transport is not None:
                line.transport.write(data)
            line.answered(keep_alive=self.keep_alive and not close)

    def abandoned(self) -> None:
        """The client has left."""
        self._line = None
        on_abort, self.on_abort = self.on_abort, None
        self.on_writable = None
        if on_abort is not None:
            on_abort()
