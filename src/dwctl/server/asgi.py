"""The ASGI side of a connection (ASGI 3.0, HTTP): everything that is not the gateway's.

The application runs in a task. Its request body is a queue with back-pressure: reading pauses while the
application is behind, so an upload of any size takes constant memory. Its answer is framed here.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from dwctl.server.connection import Connection
from dwctl.server.request_head import RequestHead
from dwctl.wire.heads import date_line, status_line

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

HIGH_WATER = 256 * 1024
_NO_BODY = frozenset({204, 304})


class ClientGone(OSError):
    """The client has left while the application was answering."""


def base_scope(
    connection: Connection, head: RequestHead, scheme: str, server: tuple[str, int]
) -> dict[str, Any]:
    """What HTTP and WebSocket tell an application alike."""
    return {
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": f"1.{head.minor}",
        "scheme": scheme,
        "path": unquote(head.path.decode("latin-1"), errors="replace"),
        "raw_path": head.path,
        "query_string": head.query,
        "root_path": "",
        "headers": head.headers,
        "client": (connection.client_host, connection.client_port),
        "server": server,
        "state": {},
    }


class AsgiCall:
    """One request in the application. Implements `BodySink`."""

    def __init__(self, connection: Connection, head: RequestHead, *, draining: bool, scheme: str) -> None:
        self._connection = connection
        self._head = head
        self._keep_alive = head.keep_alive and not draining
        self._scheme = scheme
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._complete = False
        self._told_complete = False
        self._gone = False
        self._half_closed = False
        self._some = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._start: Message | None = None
        self._began = False
        self._chunked = False
        self._ended = False
        self._called: dict[str, Any] = {}

    @property
    def pattern(self) -> str:
        """Of the route that answered; empty when none did."""
        return str(self._called.get("path_template", ""))

    @property
    def status(self) -> int:
        """What the client got; 499 when it left before."""
        if self._start is not None and (self._began or not self._gone):
            return int(self._start["status"])
        return 499 if self._gone else 500

    def body_received(self, data: bytes) -> None:
        """Some of the body."""
        if self._ended:
            return
        self._queue.append(data)
        self._queued += len(data)
        self._some.set()
        if self._queued > HIGH_WATER:
            self._connection.pause()

    def body_ended(self) -> None:
        """It is complete."""
        self._complete = True
        self._some.set()

    def disconnected(self) -> None:
        """The client has left."""
        self._gone = True
        self._some.set()
        self._writable.set()

    def client_ended(self) -> None:
        """The client sends no more: whoever waits for more is told, and an answer is still sent."""
        self._half_closed = True
        self._some.set()

    def writable(self, ready: bool) -> None:
        """The client reads too slowly, or has caught up."""
        if ready:
            self._writable.set()
        else:
            self._writable.clear()

    async def run(self, application: Application, server: tuple[str, int]) -> None:
        """Call the application and make sure that there is an answer."""
        try:
            self._called = self._scope(server)
            await application(self._called, self._receive, self._send)
        except ClientGone:
            return
        except Exception:
            logger.exception(
                "%s %s failed",
                self._head.method.decode("ascii"),
                self._head.path.decode("ascii", "replace"),
            )
        if not self._ended and not self._gone:
            self._fail()

    def _fail(self) -> None:
        """The application gave no whole answer: 500 if nothing was sent, else a visible cut."""
        if self._began:
            self._connection.abort()
            return
        self._ended = True
        text = b"Internal server error"
        self._connection.send(
            b"%bcontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (status_line(500), len(text), text)
        )
        self._connection.answered(keep_alive=False)

    def _scope(self, server: tuple[str, int]) -> dict[str, Any]:
        return base_scope(self._connection, self._head, self._scheme, server) | {
            "type": "http",
            "method": self._head.method.decode("ascii"),
            "extensions": {},
        }

    async def _receive(self) -> Message:
        while True:
            if self._queue:
                data = self._queue.popleft() if len(self._queue) == 1 else b"".join(self._queue)
                self._queue.clear()
                self._queued = 0
                if not self._ended:
                    self._connection.resume()
                more = not self._complete
                self._told_complete = not more
                return {"type": "http.request", "body": data, "more_body": more}
            if self._gone or self._ended:
                return {"type": "http.disconnect"}
            if self._complete and not self._told_complete:
                self._told_complete = True
                return {"type": "http.request", "body": b"", "more_body": False}
            if self._half_closed:
                return {"type": "http.disconnect"}
            self._connection.continue_body()
            self._some.clear()
            await self._some.wait()

    async def _send(self, message: Message) -> None:
        if self._gone:
            raise ClientGone("the client has left")
        if message["type"] == "http.response.start":
            if self._start is not None:
                raise RuntimeError("http.response.start was sent twice")
            self._start = message
        elif message["type"] == "http.response.body":
            if self._start is None or self._ended:
                raise RuntimeError("http.response.body was sent out of turn")
            await self._writable.wait()
            if self._gone:
                raise ClientGone("the client has left")
            self._write(self._start, bytes(message.get("body", b"")), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"{message['type']} is not a message of an HTTP answer")

    def _write(self, start: Message, body: bytes, *, more: bool) -> None:
        silent = self._head.method == b"HEAD" or start["status"] in _NO_BODY
        lines = b""
        if not self._began:
            lines = self._render_head(start, len(body), more=more)
            self._began = True
        if silent:
            body = b""
        elif self._chunked:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if not more:
                body += b"0\r\n\r\n"
        if lines or body:
            self._connection.send(lines + body)
        if not more:
            self._ended = True
            self._some.set()
            self._connection.answered(keep_alive=self._keep_alive)

    def _render_head(self, start: Message, size: int, *, more: bool) -> bytes:
        status: int = start["status"]
        lines = [status_line(status)]
        framed = False
        for name, value in start.get("headers", ()):
            lowered = bytes(name).lower()
            if lowered == b"content-length":
                framed = True
            elif lowered == b"connection":
                self._keep_alive = self._keep_alive and b"close" not in bytes(value).lower()
                continue
            elif lowered == b"transfer-encoding":
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
        if not framed and status not in _NO_BODY:
            if not more:
                lines.append(b"content-length: %d\r\n" % size)
            elif self._head.minor == 1:
                self._chunked = self._head.method != b"HEAD"
                lines.append(b"transfer-encoding: chunked\r\n")
            else:
                self._keep_alive = False
        lines.append(date_line())
        # What is still to come of the request stands between its answer and the next one.
        self._keep_alive = self._keep_alive and self._complete
        if not self._keep_alive:
            lines.append(b"connection: close\r\n")
        elif self._head.minor == 0:
            lines.append(b"connection: keep-alive\r\n")
        lines.append(b"\r\n")
        return b"".join(lines)
