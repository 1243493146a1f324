"""One connection of a client: reads requests one after the other, and gives each to its plane.

Gateway paths are read whole and handed to the `Handler`; every other path is called as ASGI (asgi.py). Answers
leave in the order of the requests; a request behind one that is being answered waits in the buffer.
"""

import asyncio
from typing import Protocol, cast

from dwctl.server.exchange import HttpExchange
from dwctl.server.head import HeadError, KnownLines, RepeatedHeads
from dwctl.server.limits import ListenerSettings
from dwctl.server.refusal import asked_path, refusal
from dwctl.server.request_head import RequestHead
from dwctl.server.slow_reader import SlowReader
from dwctl.wire.chunks import ChunkError, Chunks
from dwctl.wire.exchange import BodySink as Upload
from dwctl.wire.exchange import Handler

PIPELINE_BYTES = 64 * 1024
"""Bytes of later requests held while one is answered; then reading pauses."""
TLS = 0x16
"""First byte of a TLS handshake: the client would wait for an answer in TLS until the time of a head is over."""
LINGER_BYTES = 64 * 1024 * 1024
LINGER_SECONDS = 30.0
SINCE_SWEEP = -1.0
"""Of a time: it was after the last sweep, and the next one writes it down. That a connection became idle is in the
path of every call, and a second more or less matters to nobody."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BodySink(Protocol):
    """Who takes the body of a request that is not read whole."""

    def body_received(self, data: bytes) -> None:
        """Some of the body."""
        ...

    def body_ended(self) -> None:
        """It is complete."""
        ...

    def disconnected(self) -> None:
        """The client has left, or the body is broken."""
        ...

    def client_ended(self) -> None:
        """The client sends no more; it may still read."""
        ...

    def writable(self, ready: bool) -> None:
        """The client reads too slowly, or has caught up."""
        ...


class Tunnel(BodySink, Protocol):
    """Who has the connection from the head on: everything that comes is a body without an end."""

    def silent(self, seconds: float) -> None:
        """Nothing has come for so long."""
        ...

    def going_away(self) -> None:
        """The server stops."""
        ...


class Host(Protocol):
    """The listener that a connection belongs to."""

    settings: ListenerSettings
    handler: Handler
    draining: bool
    known_lines: KnownLines
    """Shared by its connections."""

    def opened(self, connection: "Connection") -> bool:
        """A client has connected; false when there are too many."""

    def closed(self, connection: "Connection") -> None:
        """It is gone."""

    def call_application(self, connection: "Connection", head: RequestHead) -> BodySink:
        """Start the ASGI application on a request."""
        ...

    def open_tunnel(self, connection: "Connection", head: RequestHead) -> Tunnel | None:
        """Start the ASGI application on an upgrade; None when the request asks for none."""
        ...


class Connection(asyncio.Protocol):
    """The protocol object."""

    __slots__ = (
        "_advancing",
        "_buffer",
        "_chunks",
        "_exchange",
        "_head",
        "_host",
        "_left",
        "_linger",
        "_loop",
        "_parts",
        "_paused",
        "_plain",
        "_reader",
        "_reading_body",
        "_repeats",
        "_sink",
        "_size",
        "_tunnel",
        "_upload",
        "changed",
        "client_host",
        "client_port",
        "eof",
        "transport",
    )

    def __init__(
        self, host: Host, loop: asyncio.AbstractEventLoop, client: tuple[str, int] | None = None
    ) -> None:
        self._host = host
        self._loop = loop
        self._buffer = b""
        self._repeats = RepeatedHeads()
        self._head: RequestHead | None = None
        self._exchange: HttpExchange | None = None
        self._sink: BodySink | None = None
        self._tunnel: Tunnel | None = None
        self._upload: Upload | None = None
        self._chunks: Chunks | None = None
        self._parts: list[bytes] = []
        self._left = 0
        self._size = 0
        self._reader = SlowReader()
        self._linger = 0
        self._reading_body = False
        self._advancing = False
        self._paused = False
        self._plain = False
        """Whether the last request went to the gateway whole, so that one with the same head can."""
        self.eof = False
        self.changed = 0.0
        self.client_host, self.client_port = client or ("", 0)
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without the base class.
        self.transport = cast("asyncio.Transport", transport)
        transport = self.transport
        self.changed = self._loop.time()
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple) and not self.client_host:
            self.client_host, self.client_port = str(peer[0]), int(peer[1])
        if not self._host.opened(self):
            transport.abort()

    @property
    def busy(self) -> bool:
        """Whether a request is being read or answered."""
        return self._head is not None

    def data_received(self, data: bytes) -> None:
        if self._head is None and not self._buffer and self._serve_again(data):
            return
        if self._linger:
            self._discard(len(data))
            return
        # Within a head the time of its first byte stays: it has a limit as a whole, however it trickles in.
        if self._head is not None or not self._buffer:
            self.changed = self._loop.time()
        if self._tunnel is not None:
            self._tunnel.body_received(data)
        elif self._reading_body:
            self._read_body(data)
            self._advance()
        else:
            self._buffer = self._buffer + data if self._buffer else data
            if self._head is None:
                self._advance()
            elif len(self._buffer) > PIPELINE_BYTES:
                self.pause()

    def eof_received(self) -> bool:
        """The client sends no more.

        During a call to a model this counts as having left, as in nginx and Go: a half-closed connection cannot
        be told from a closed one before something is written, and nobody should pay for tokens that are not
        read. Every other request is cheap and still gets its answer.
        """
        self.eof = True
        if self._linger or self._head is None:
            return False
        if self._reading_body or self._exchange is not None:
            self._leave()
            self.abort()
            return False
        if self._sink is not None:
            self._sink.client_ended()
        return True

    def connection_lost(self, _: Exception | None) -> None:
        self._host.closed(self)
        self._leave()

    def pause_writing(self) -> None:
        self._tell_writable(ready=False)

    def resume_writing(self) -> None:
        self._reader.took()
        self._tell_writable(ready=True)

    def send(self, data: bytes) -> None:
        """Raw bytes to the client."""
        if self.transport is not None:
            self.transport.write(data)

    def pause(self) -> None:
        """Read no more for now."""
        if not self._paused and self.transport is not None and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused and self.transport is not None and not self.transport.is_closing():
            self._paused = False
            self.changed = self._loop.time()
            self.transport.resume_reading()

    def continue_body(self) -> None:
        """Tell a client that waits for it to send its body (RFC 9110 §10.1.1)."""
        if self._head is not None and self._head.expects_continue:
            self._head.expects_continue = False
            if self._reading_body:
                self.send(_CONTINUE)

    def answered(self, *, keep_alive: bool) -> None:
        """The answer of the current request is complete."""
        self._exchange = None
        self._upload = None
        self._sink = None
        unread = self._reading_body or self._tunnel is not None
        self._tunnel = None
        self._reading_body = False
        self._head = None
        self.changed = SINCE_SWEEP
        if unread:
            self._begin_linger()
        elif not keep_alive or self._host.draining or (self.eof and not self._buffer):
            self._close()
        elif not self._advancing:
            if self._paused:
                self.resume()
            if self._buffer or self.eof:
                self._advance()

    def close_if_idle(self) -> None:
        """For the drain: close when nothing is under way, or when what is has no end of its own."""
        if self._tunnel is not None:
            self._tunnel.going_away()
        elif self._head is None and self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """End at once."""
        if self.transport is not None:
            self.transport.abort()

    def sweep(self, now: float) -> None:
        """Enforce the limits of time; called about once a second."""
        settings = self._host.settings
        if self.changed == SINCE_SWEEP:
            self.changed = now
        quiet = now - self.changed
        unsent = 0 if self.transport is None else self.transport.get_write_buffer_size()
        if self._reader.idle(unsent, now) > settings.write_timeout:
            self.abort()
        elif self._linger:
            if quiet > LINGER_SECONDS:
                self.abort()
        elif self._tunnel is not None:
            self._tunnel.silent(quiet)
        elif self._head is None:
            if self._buffer:
                if quiet > settings.head_timeout:
                    self._refuse(408, "The request's head did not arrive in time.")
            elif quiet > settings.keep_alive:
                self._close()
        elif self._reading_body and not self._paused and quiet > settings.body_timeout:
            self._refuse(408, "The request's body did not arrive in time.")

    def _advance(self) -> None:
        """Serve what is in the buffer, request by request; never recursive, however many are pipelined."""
        self._advancing = True
        try:
            while self._buffer and self._head is None and not self._linger:
                end = self._buffer.find(b"\r\n\r\n")
                limit = self._host.settings.max_head_bytes
                if end < 0 and len(self._buffer) <= limit:
                    if self._buffer[0] == TLS:
                        self._refuse(400, "This port speaks HTTP, not HTTPS.")
                        break
                    if self._buffer[:2] == b"\r\n":
                        self._buffer = self._buffer[2:]
                        continue
                    break
                if end < 0 or end > limit:
                    self._refuse(431, f"The request's head is larger than {limit} bytes.")
                    break
                if end == 0:
                    self._buffer = self._buffer[4:]
                    continue
                self._begin(end)
        finally:
            self._advancing = False
        if self.eof and self._head is None and not self._linger:
            self._close()

    def _serve_again(self, data: bytes) -> bool:
        """Serve a call of the gateway that is like the last one, its head repeated and its body whole; if it is one."""
        start = self._repeats.again(data) if self._plain else 0
        head = self._repeats.head
        if not start or head is None:
            return False
        host = self._host
        if len(data) - start != head.length or head.length > host.settings.max_body_bytes:
            return False
        self._head = head
        exchange = self._exchange = HttpExchange(self, head, keep_alive=head.keep_alive and not host.draining)
        exchange.body = data[start:]
        host.handler.handle(exchange)
        return True

    def _begin(self, end: int) -> None:
        settings = self._host.settings
        data = self._buffer
        start = 2 if data[:2] == b"\r\n" else 0
        try:
            head = self._repeats.parse(
                data[start:end], settings.max_headers, settings.max_target_bytes, self._host.known_lines
            )
        except HeadError as error:
            self._refuse(error.status, error.message)
            return
        self._buffer = data[end + 4 :]
        self._plain = False
        self._head = head
        self._left = head.length
        self._chunks = Chunks() if head.length < 0 else None
        self._size = 0
        self._reading_body = head.length != 0
        handler = self._host.handler
        if handler.claims(head.method, head.path):
            keep_alive = head.keep_alive and not self._host.draining
            self._exchange = HttpExchange(self, head, keep_alive=keep_alive)
            if head.path in handler.uploads:
                self._upload = handler.upload(self._exchange)
                if not self.busy:
                    return
            if head.length > settings.max_body_bytes and self._upload is None:
                self._too_large()
                return
            if head.expects_continue:
                self.continue_body()
        else:
            self._tunnel = None if self._reading_body else self._host.open_tunnel(self, head)
            self._sink = self._tunnel or self._host.call_application(self, head)
        rest, self._buffer = self._buffer, b""
        if len(rest) == head.length and self._exchange is not None and self._upload is None:
            # The whole body came with the head and nothing after it.
            self._reading_body = False
            self._plain = True
            self._exchange.body = rest
            handler.handle(self._exchange)
            return
        if self._tunnel is not None:
            if rest:
                self._tunnel.body_received(rest)
            return
        if self._reading_body:
            if rest:
                self._read_body(rest)
        else:
            self._buffer = rest
            self._body_ended()

    def _read_body(self, data: bytes) -> None:
        chunks = self._chunks
        if chunks is not None:
            try:
                body, rest = chunks.feed(data)
            except ChunkError as error:
                self._refuse(400, f"The request's body is malformed: {error}.")
                return
            ended = chunks.ended
        else:
            left = self._left
            body, rest = (data, b"") if len(data) <= left else (data[:left], data[left:])
            self._left = left - len(body)
            ended = not self._left
        if body:
            self._size += len(body)
            if self._upload is not None:
                self._upload.feed(body)
                if self._head is None:
                    return
            elif self._exchange is not None:
                if self._size > self._host.settings.max_body_bytes:
                    self._too_large()
                    return
                self._parts.append(body)
            elif self._sink is not None:
                self._sink.body_received(body)
        if ended:
            self._reading_body = False
            self._buffer = rest
            self._body_ended()

    def _body_ended(self) -> None:
        exchange = self._exchange
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.end()
        elif exchange is not None:
            parts = self._parts
            exchange.body = parts[0] if len(parts) == 1 else b"".join(parts)
            self._parts = []
            self._host.handler.handle(exchange)
        elif self._sink is not None:
            self._sink.body_ended()

    def _too_large(self) -> None:
        limit = self._host.settings.max_body_bytes
        self._refuse(413, f"The request's body is larger than {limit} bytes.", code="payload_too_large")

    def _refuse(self, status: int, message: str, code: str | None = None) -> None:
        """Answer a request that nobody will serve, and end the connection so that the client sees the answer."""
        sink, self._sink = self._sink, None
        if sink is not None:
            # The application has begun: its answer may be on the wire, so there is no room for ours.
            sink.disconnected()
            self.abort()
            return
        head = self._head
        path = asked_path(self._buffer) if head is None else head.path
        answer = refusal(path, status, message, code)
        if self._exchange is not None:
            self._exchange.abandoned()
        self._exchange = self._upload = None
        self._parts = []
        self.send(answer)
        self._head = None
        self._reading_body = False
        self._begin_linger()

    def _begin_linger(self) -> None:
        """Say that no more will come, and read over what the client still sends: closing at once would reset it."""
        self._linger = LINGER_BYTES
        self._plain = False
        self._buffer = b""
        self.changed = self._loop.time()
        self.resume()
        transport = self.transport
        if transport is None or self.eof:
            self._close()
        elif transport.can_write_eof():
            transport.write_eof()
        else:
            transport.close()

    def _discard(self, size: int) -> None:
        self._linger = max(1, self._linger - size)
        if self._linger == 1:
            self.abort()

    def _leave(self) -> None:
        exchange, self._exchange = self._exchange, None
        sink, self._sink = self._sink, None
        self._tunnel = self._upload = None
        self._head = None
        self._parts = []
        if exchange is not None:
            exchange.abandoned()
        if sink is not None:
            sink.disconnected()

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def _tell_writable(self, *, ready: bool) -> None:
        if self._exchange is not None and self._exchange.on_writable is not None:
            self._exchange.on_writable(ready)
        elif self._sink is not None:
            self._sink.writable(ready)
