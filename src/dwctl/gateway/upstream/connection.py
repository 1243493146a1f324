"""One connection to a model server: sends a request, reads its answer, tells the one who waits.

Callbacks only. A connection is used again when its request was sent and its answer read to the end, and both sides
allow it; surplus bytes, errors and time-outs close it.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Protocol, cast

from dwctl.gateway.upstream.response import HeadReader, ResponseError
from dwctl.gateway.upstream.response_head import Head
from dwctl.routing.snapshot import Timeouts
from dwctl.wire.chunks import ChunkError, Chunks


class Failure(Enum):
    """Why an attempt ended without a whole answer."""

    UNREACHABLE = "cannot be reached"
    CLOSED_EARLY = "closed the connection before answering"
    CUT = "cut its answer short"
    GARBAGE = "did not answer in HTTP"
    MALFORMED = "gave an answer that cannot be read"
    ACCOUNT = "refused this gateway's account or credential"
    NOT_ALLOWED = "has an address that this gateway may not call"
    CONNECT_TIMEOUT = "did not accept a connection in time"
    FIRST_BYTE_TIMEOUT = "did not begin to answer in time"
    IDLE_TIMEOUT = "stopped in the middle of its answer"
    TOTAL_TIMEOUT = "did not finish in time"
    BUSY = "has no free connection"
    UNSENT = "could not be sent the request's body"
    STOPPED = "was left because this process stops"


class Receiver(Protocol):
    """Who waits for the answer. Each call is made on the event loop; an end, a whole or a failure is the last."""

    deadline: float
    """`time.perf_counter()` at which the whole call is too late."""

    @property
    def timeouts(self) -> Timeouts | None:
        """What goes before the settings' limits of time."""
        ...

    def on_head(self, head: Head) -> None:
        """The final response's head."""
        ...

    def on_body(self, data: bytes) -> None:
        """Some of the body."""
        ...

    def on_quiet(self, seconds: float) -> None:
        """Nothing has come for so many seconds, though the answer has begun; told now and then."""
        ...

    def on_end(self) -> None:
        """The answer is whole."""
        ...

    def on_whole(self, head: Head, body: bytes) -> None:
        """Head, body and end at once: the answer came in one piece."""
        ...

    def on_failure(self, failure: Failure, detail: str) -> None:
        """It will not be."""
        ...


class Source(Protocol):
    """A request's body that is not held in memory."""

    def rewind(self) -> None:
        """Begin anew: the request is sent again."""
        ...

    def read(self, size: int) -> bytes:
        """The next bytes, at most so many; none at the end. Raises `OSError`."""
        ...


class Owner(Protocol):
    """The pool that a connection belongs to."""

    reader: HeadReader
    max_head_bytes: int

    def released(self, connection: "UpstreamConnection", *, reusable: bool) -> None:
        """The connection's answer has ended."""
        ...

    def lost(self, connection: "UpstreamConnection") -> None:
        """The connection is closed."""
        ...

    def retry(self, connection: "UpstreamConnection") -> None:
        """A reused connection turned out to be closed and answered nothing: send again on a fresh one."""
        ...


SEND_SIZE = 128 * 1024
"""Bytes of a body that are read and sent in one turn of the loop."""


class UpstreamConnection(asyncio.Protocol):
    """The protocol object."""

    __slots__ = (
        "_answered",
        "_buffer",
        "_chunks",
        "_head",
        "_left",
        "_now",
        "_owner",
        "_receiver",
        "_reused",
        "_sending",
        "_source",
        "changed",
        "paused",
        "transport",
    )

    def __init__(self, owner: Owner, now: Callable[[], float]) -> None:
        self._owner = owner
        self._now = now
        self._receiver: Receiver | None = None
        self._buffer = b""
        self._head: Head | None = None
        self._chunks: Chunks | None = None
        self._left = 0
        self._reused = False
        self._answered = False
        self._source: Source | None = None
        """What of the request is still to be sent."""
        self._sending = False
        """Whether a turn of the loop is asked for in which more of it is sent."""
        self.transport: asyncio.Transport | None = None
        self.paused = False
        """Whether reading waits for a slow client: silence is then no fault of the upstream."""
        self.changed = 0.0
        """`time.perf_counter()` at the last byte either way; when idle, at becoming idle."""

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

    @property
    def usable(self) -> bool:
        """Whether a request can be sent on it."""
        return self.transport is not None and not self.transport.is_closing()

    def send(self, request: bytes, receiver: Receiver, *, reused: bool, source: Source | None = None) -> None:
        """Send a whole request, with a source its head. `reused`: idle before, so that the server may have closed."""
        self._receiver = receiver
        self._head = None
        self._chunks = None
        self._answered = False
        self._reused = reused
        self.changed = self._now()
        if self.transport is not None:
            self.transport.write(request)
        self._source = source
        if source is not None:
            source.rewind()
            self.resume_writing()

    def resume_writing(self) -> None:
        """The server takes more."""
        if self._source is not None and not self._sending:
            self._sending = True
            asyncio.get_running_loop().call_soon(self._send_more)

    def pause_writing(self) -> None:
        """The server is slower than we are: `_send_more` sees it by itself."""

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
        self._receiver = self._source = None
        if self.transport is not None:
            self.transport.abort()

    def fail(self, failure: Failure, detail: str = "") -> None:
        """End the attempt and the connection."""
        receiver, self._receiver = self._receiver, None
        self._source = None
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
        chunks = self._chunks
        try:
            if chunks is not None:
                body, surplus = chunks.feed(data)
                if body:
                    receiver.on_body(body)
                if chunks.ended and self._receiver is receiver:
                    self._end(receiver, clean=not surplus)
            elif self._head is None:
                self._answered = True
                reader = self._owner.reader
                start = 0 if self._buffer else reader.again(data)
                head = reader.head
                if not start or head is None or head.status < 200:
                    self._read_head(data, receiver)
                else:
                    self._begin(head, data[start:], receiver)
            else:
                self._read_rest(data, receiver)
        except (ResponseError, ChunkError) as error:
            self.fail(Failure.GARBAGE, str(error))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        receiver, self._receiver = self._receiver, None
        self._source = None
        head = self._head
        if receiver is not None and head is None and self._reused and not self._answered:
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

    def _read_rest(self, data: bytes, receiver: Receiver) -> None:
        """Some of a body that is not chunked."""
        if self._left < 0:
            receiver.on_body(data)
        else:
            left = self._left
            body = data if len(data) <= left else data[:left]
            self._left = left - len(body)
            if body:
                receiver.on_body(body)
            if not self._left and self._receiver is receiver:
                self._end(receiver, clean=len(data) <= left)

    def _read_head(self, data: bytes, receiver: Receiver) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        while True:
            end = data.find(b"\r\n\r\n")
            if end > self._owner.max_head_bytes or (end < 0 and len(data) > self._owner.max_head_bytes):
                raise ResponseError("the head is too large")
            if end < 0:
                if data[:7] != b"HTTP/1."[: len(data)]:
                    raise ResponseError("the status line is not HTTP/1.1")
                self._buffer = data
                return
            head = self._owner.reader.read(data[:end])
            data = data[end + 4 :]
            if head.status >= 200:
                break
            if head.status == 101:
                raise ResponseError("it switched protocols unasked")
            if not data:
                return
        self._begin(head, data, receiver)

    def _begin(self, head: Head, rest: bytes, receiver: Receiver) -> None:
        """The final head: how long the body is (RFC 9112 §6.3), and what of it came along."""
        self._head = head
        if head.status in (204, 304):
            self._left = 0
        elif head.chunked:
            self._chunks = Chunks()
        else:
            # -1: until the connection closes.
            self._left = -1 if head.length is None else head.length
            if len(rest) == self._left:
                self._receiver = None
                receiver.on_whole(head, rest)
                self._owner.released(self, reusable=self._reusable(head))
                return
        receiver.on_head(head)
        if self._receiver is not receiver:
            return
        if rest:
            self.data_received(rest)
        elif self._chunks is None and not self._left:
            self._end(receiver, clean=True)

    def _end(self, receiver: Receiver, *, clean: bool) -> None:
        if self.paused:
            self.resume()
        head = self._head
        self._receiver = None
        self.changed = self._now()
        receiver.on_end()
        self._owner.released(self, reusable=clean and head is not None and self._reusable(head))

    def _send_more(self) -> None:
        """A piece of the body, and the next one in another turn unless the server must catch up first."""
        self._sending = False
        source, transport = self._source, self.transport
        if source is None or transport is None or transport.is_closing():
            return
        try:
            data = source.read(SEND_SIZE)
        except OSError as error:
            self.fail(Failure.UNSENT, error.strerror or str(error))
            return
        self.changed = self._now()
        if not data:
            self._source = None
            return
        transport.write(data)
        if transport.get_write_buffer_size() <= SEND_SIZE:
            self.resume_writing()

    def _reusable(self, head: Head) -> bool:
        """Whether another request can follow: this one was sent to its end, and the server keeps the connection."""
        transport = self.transport
        unsent, self._source = self._source, None
        if unsent is not None:
            return False
        return head.keep_alive and transport is not None and not transport.get_write_buffer_size()
