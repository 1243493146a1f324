"""One connection to a model server: sends a request, reads its answer, tells the one who waits.

Callbacks only. A connection is used again when its answer was read to the end and both sides allow it; surplus
bytes, errors and time-outs close it.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Protocol, cast

from dwctl.gateway.upstream.response import Head, ResponseError, parse_head
from dwctl.wire.chunks import ChunkError, Chunks


class Failure(Enum):
    """Why an attempt ended without a whole answer."""

    UNREACHABLE = "cannot be reached"
    CLOSED_EARLY = "closed the connection before answering"
    CUT = "cut its answer short"
    GARBAGE = "did not answer in HTTP"
    CONNECT_TIMEOUT = "did not accept a connection in time"
    FIRST_BYTE_TIMEOUT = "did not begin to answer in time"
    IDLE_TIMEOUT = "stopped in the middle of its answer"
    TOTAL_TIMEOUT = "did not finish in time"
    BUSY = "has no free connection"


TIMEOUTS = frozenset(
    {
        Failure.CONNECT_TIMEOUT,
        Failure.FIRST_BYTE_TIMEOUT,
        Failure.IDLE_TIMEOUT,
        Failure.TOTAL_TIMEOUT,
    }
)


class Receiver(Protocol):
    """Who waits for the answer. Each call is made on the event loop; `on_end` or `on_failure` is the last."""

    deadline: float
    """Monotonic moment at which the whole call is too late."""

    def on_head(self, head: Head) -> None:
        """The final response's head."""
        ...

    def on_body(self, data: bytes) -> None:
        """Some of the body."""
        ...

    def on_end(self) -> None:
        """The answer is whole."""
        ...

    def on_failure(self, failure: Failure, detail: str) -> None:
        """It will not be."""
        ...


class Owner(Protocol):
    """The pool that a connection belongs to."""

    def released(self, connection: "UpstreamConnection", *, reusable: bool) -> None:
        """The connection's answer has ended."""
        ...

    def lost(self, connection: "UpstreamConnection") -> None:
        """The connection is closed."""
        ...

    def retry(self, connection: "UpstreamConnection") -> None:
        """A reused connection turned out to be closed and answered nothing: send again on a fresh one."""
        ...


class UpstreamConnection(asyncio.Protocol):
    """The protocol object."""

    __slots__ = (
        "_answered",
        "_buffer",
        "_chunks",
        "_head",
        "_left",
        "_max_head",
        "_now",
        "_owner",
        "_receiver",
        "_used",
        "changed",
        "paused",
        "transport",
    )

    def __init__(self, owner: Owner, max_head: int, now: Callable[[], float]) -> None:
        self._owner = owner
        self._max_head = max_head
        self._now = now
        self._receiver: Receiver | None = None
        self._buffer = b""
        self._head: Head | None = None
        self._chunks: Chunks | None = None
        self._left = 0
        self._used = 0
        self._answered = False
        self.transport: asyncio.Transport | None = None
        self.paused = False
        """Whether reading waits for a slow client: silence is then no fault of the upstream."""
        self.changed = 0.0
        """Loop time of the last byte either way; when idle, of becoming idle."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without the base class.
        self.transport = cast("asyncio.Transport", transport)

    @property
    def receiver(self) -> Receiver | None:
        """Who waits, if anyone does."""
        return self._receiver

    @property
    def waiting_for_head(self) -> bool:
        """Whether the answer has not begun."""
        return self._head is None

    def send(self, request: bytes, receiver: Receiver) -> None:
        """Send a whole request."""
        self._receiver = receiver
        self._head = None
        self._chunks = None
        self._answered = False
        self._used += 1
        self.changed = self._now()
        if self.transport is not None:
            self.transport.write(request)

    def pause(self) -> None:
        """Read no more until `resume`: the client is slower than the upstream."""
        self.paused = True
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on; the pause does not count as silence."""
        self.paused = False
        self.changed = self._now()
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def abandon(self) -> None:
        """Nobody waits any more: close at once, tell nobody."""
        self._receiver = None
        if self.transport is not None:
            self.transport.abort()

    def fail(self, failure: Failure, detail: str = "") -> None:
        """End the attempt and the connection."""
        receiver, self._receiver = self._receiver, None
        if self.transport is not None:
            self.transport.abort()
        if receiver is not None:
            receiver.on_failure(failure, detail)

    def data_received(self, data: bytes) -> None:
        receiver = self._receiver
        if receiver is None:
            # Bytes that nobody asked for: whatever they are, they must not become an answer.
            if self.transport is not None:
                self.transport.abort()
            return
        self.changed = self._now()
        self._answered = True
        try:
            self._read(data, receiver)
        except (ResponseError, ChunkError) as error:
            self.fail(Failure.GARBAGE, str(error))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        receiver, self._receiver = self._receiver, None
        head = self._head
        if receiver is not None and head is None and self._used > 1 and not self._answered:
            self._owner.retry(self)
            return
        self._owner.lost(self)
        if receiver is None:
            return
        if head is None:
            receiver.on_failure(Failure.CLOSED_EARLY, str(error or ""))
        elif head.length is None and self._chunks is None and error is None:
            receiver.on_end()
        else:
            receiver.on_failure(Failure.CUT, str(error or ""))

    def _read(self, data: bytes, receiver: Receiver) -> None:
        if self._head is None:
            rest = self._read_head(data, receiver)
            if rest is None:
                return
            data = rest
        if self._receiver is not receiver:
            return
        if self._chunks is not None:
            body, surplus = self._chunks.feed(data)
            if body:
                receiver.on_body(body)
            if self._chunks.ended and self._receiver is receiver:
                self._end(receiver, clean=not surplus)
        elif self._head is not None and self._head.length is None:
            if data:
                receiver.on_body(data)
        else:
            left = self._left
            if data:
                receiver.on_body(data if len(data) <= left else data[:left])
                self._left = left - len(data)
            if self._left <= 0 and self._receiver is receiver:
                self._end(receiver, clean=self._left == 0)

    def _read_head(self, data: bytes, receiver: Receiver) -> bytes | None:
        """The bytes after the final head, or None while it is not complete."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > self._max_head:
                    raise ResponseError("the head is too large")
                if not b"HTTP/1.".startswith(data[:7]):
                    raise ResponseError("the status line is not HTTP/1.1")
                self._buffer = data
                return None
            if end > self._max_head:
                raise ResponseError("the head is too large")
            head = parse_head(data[:end])
            data = data[end + 4 :]
            if head.status >= 200:
                break
            if head.status == 101:
                raise ResponseError("it switched protocols unasked")
        self._head = head
        if head.status in (204, 304):
            self._left = 0
            self._head = Head(head.status, head.headers, 0, False, head.keep_alive)
        elif head.chunked:
            self._chunks = Chunks()
        else:
            self._left = head.length or 0
        receiver.on_head(self._head)
        return data

    def _end(self, receiver: Receiver, *, clean: bool) -> None:
        if self.paused:
            self.resume()
        keep = clean and self._head is not None and self._head.keep_alive
        self._receiver = None
        self.changed = self._now()
        receiver.on_end()
        self._owner.released(self, reusable=keep)
