"""The WebSocket side of a connection (RFC 6455, ASGI 3.0): the head is ours, frames are `wsproto`'s.

The application runs in a task. Messages are queued with back-pressure: reading pauses while the application is
behind. A message above the limit closes with 1009, broken frames with the code that RFC 6455 has for them. A client
that is silent for `websocket_ping` is pinged, and given up after as long again. On shutdown clients are told 1001.
"""

import asyncio
import base64
import binascii
import logging
from collections import deque
from enum import Enum
from typing import Any

from wsproto.connection import Connection as Frames
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError, generate_accept_token

from dwctl.server.asgi import HIGH_WATER, Application, ClientGone, base_scope
from dwctl.server.connection import Connection
from dwctl.server.request_head import RequestHead
from dwctl.wire.heads import date_line, status_line

logger = logging.getLogger(__name__)

VERSION = b"13"
GOING_AWAY = 1001
ABNORMAL = 1006
TOO_LARGE = 1009
FAULT = 1011


class _Phase(Enum):
    ASKED = "asked"
    OPEN = "open"
    DENYING = "denying"
    ENDED = "ended"


def wants_websocket(head: RequestHead) -> bool:
    """Whether a request asks for the upgrade (RFC 6455 §4.2.1)."""
    if head.method != b"GET" or head.minor != 1:
        return False
    return b"websocket" in _words(head, b"upgrade") and b"upgrade" in _words(head, b"connection")


def _words(head: RequestHead, name: bytes) -> set[bytes]:
    return {
        word.strip().lower() for known, value in head.headers if known == name for word in value.split(b",")
    }


class WebSocketCall:
    """One WebSocket in the application. Implements `BodySink` and `Tunnel`."""

    def __init__(
        self, connection: Connection, head: RequestHead, *, scheme: str, max_message: int, ping_after: float
    ) -> None:
        self._connection = connection
        self._head = head
        self._scheme = scheme
        self._max_message = max_message
        self._ping_after = ping_after
        self._frames: Frames | None = None
        self._early: list[bytes] = []
        self._phase = _Phase.ASKED
        self._queue: deque[dict[str, Any]] = deque([{"type": "websocket.connect"}])
        self._queued = 0
        self._texts: list[str] = []
        self._blobs: list[bytes] = []
        self._size = 0
        self._some = asyncio.Event()
        self._some.set()
        self._writable = asyncio.Event()
        self._writable.set()
        self._pinged = False
        self._denial: dict[str, Any] = {}

    def body_received(self, data: bytes) -> None:
        """Bytes behind the head: frames, from the moment when the application has accepted."""
        self._pinged = False
        if self._frames is None:
            self._early.append(data)
            return
        if self._phase is not _Phase.OPEN:
            return
        try:
            self._frames.receive_data(data)
            for event in self._frames.events():
                self._take(event)
        except RemoteProtocolError as error:
            answer = error.event_hint
            code = int(answer.code) if isinstance(answer, CloseConnection) else 1002
            self._end(code, str(error))

    def body_ended(self) -> None:
        """There is no body."""

    def disconnected(self) -> None:
        """The client has left without saying goodbye."""
        self._finish(ABNORMAL, "")

    def client_ended(self) -> None:
        """The same: nobody half-closes a WebSocket."""
        self.disconnected()
        self._connection.abort()

    def writable(self, ready: bool) -> None:
        """The client reads too slowly, or has caught up."""
        if ready:
            self._writable.set()
        else:
            self._writable.clear()

    def silent(self, seconds: float) -> None:
        """Nothing has come for so long: ask, then give up."""
        if self._phase is not _Phase.OPEN or self._frames is None:
            return
        if self._pinged:
            if seconds > 2 * self._ping_after:
                self.client_ended()
        elif seconds > self._ping_after:
            self._pinged = True
            self._connection.send(self._frames.send(Ping(b"")))

    def going_away(self) -> None:
        """The server stops."""
        if self._phase is _Phase.OPEN:
            self._end(GOING_AWAY, "the server is stopping")

    async def run(self, application: Application, server: tuple[str, int]) -> None:
        """Call the application and make sure that there is an end."""
        problem = self._problem()
        if problem is not None:
            self._deny(*problem)
            return
        scope = base_scope(self._connection, self._head, self._scheme, server) | {
            "type": "websocket",
            "subprotocols": [word.decode("latin-1") for word in self._protocols()],
            "extensions": {"websocket.http.response": {}},
        }
        try:
            await application(scope, self._receive, self._send)
        except ClientGone:
            return
        except Exception:
            logger.exception("the WebSocket %s failed", self._head.path.decode("ascii", "replace"))
            if self._phase is _Phase.OPEN:
                self._end(FAULT, "")
        if self._phase in (_Phase.ASKED, _Phase.DENYING):
            self._deny(500, b"Internal server error")
        elif self._phase is _Phase.OPEN:
            self._end(1000, "")

    def _problem(self) -> tuple[int, bytes] | None:
        """What keeps the handshake from being one (RFC 6455 §4.2.1)."""
        if self._value(b"sec-websocket-version") != VERSION:
            return 426, b"This server speaks version 13 of WebSocket."
        try:
            nonce = base64.b64decode(self._value(b"sec-websocket-key"), validate=True)
        except binascii.Error:
            nonce = b""
        if len(nonce) != 16:
            return 400, b"Sec-WebSocket-Key must be 16 bytes in base64."
        return None

    def _value(self, name: bytes) -> bytes:
        return next((value for known, value in self._head.headers if known == name), b"")

    def _protocols(self) -> list[bytes]:
        values = [value for known, value in self._head.headers if known == b"sec-websocket-protocol"]
        return [word.strip() for value in values for word in value.split(b",") if word.strip()]

    def _take(self, event: Event) -> None:
        """One frame, or a part of one."""
        frames = self._frames
        if frames is None or self._phase is not _Phase.OPEN:
            return
        if isinstance(event, TextMessage):
            self._texts.append(event.data)
            self._collect(len(event.data.encode()), finished=event.message_finished)
        elif isinstance(event, BytesMessage):
            self._blobs.append(bytes(event.data))
            self._collect(len(event.data), finished=event.message_finished)
        elif isinstance(event, Ping):
            self._connection.send(frames.send(event.response()))
        elif isinstance(event, CloseConnection):
            self._connection.send(frames.send(event.response()))
            self._finish(int(event.code), event.reason or "")
            self._connection.answered(keep_alive=False)

    def _collect(self, size: int, *, finished: bool) -> None:
        """Count a fragment; when it was the last, queue the message."""
        self._size += size
        if self._size > self._max_message:
            self._end(TOO_LARGE, f"a message may have {self._max_message} bytes")
            return
        if not finished:
            return
        size, self._size = self._size, 0
        message: dict[str, Any] = {"type": "websocket.receive", "size": size}
        if self._texts:
            message["text"] = "".join(self._texts)
        else:
            message["bytes"] = b"".join(self._blobs)
        self._texts, self._blobs = [], []
        self._queue.append(message)
        self._queued += size
        self._some.set()
        if self._queued > HIGH_WATER:
            self._connection.pause()

    async def _receive(self) -> dict[str, Any]:
        while not self._queue:
            self._some.clear()
            await self._some.wait()
        if len(self._queue) == 1 and self._queue[0]["type"] == "websocket.disconnect":
            return self._queue[0]
        message = self._queue.popleft()
        self._queued -= message.pop("size", 0)
        if self._queued <= HIGH_WATER and self._phase is _Phase.OPEN:
            self._connection.resume()
        return message

    async def _send(self, message: Any) -> None:
        kind = message["type"]
        if self._phase is _Phase.ENDED:
            raise ClientGone("the WebSocket is closed")
        if self._phase is _Phase.ASKED and kind == "websocket.accept":
            self._accept(message)
        elif self._phase is _Phase.ASKED and kind == "websocket.close":
            self._deny(403, b"Forbidden")
        elif self._phase is _Phase.ASKED and kind == "websocket.http.response.start":
            self._phase = _Phase.DENYING
            self._denial = {"status": message["status"], "headers": message.get("headers", ()), "body": b""}
        elif self._phase is _Phase.DENYING and kind == "websocket.http.response.body":
            self._denial["body"] += bytes(message.get("body", b""))
            if not message.get("more_body", False):
                self._deny(self._denial["status"], self._denial["body"], self._denial["headers"])
        elif self._phase is _Phase.OPEN and kind == "websocket.send":
            await self._say(message)
        elif self._phase is _Phase.OPEN and kind == "websocket.close":
            self._end(message.get("code", 1000), message.get("reason") or "")
        else:
            raise RuntimeError(f"{kind} was sent out of turn")

    async def _say(self, message: Any) -> None:
        await self._writable.wait()
        if self._phase is not _Phase.OPEN or self._frames is None:
            raise ClientGone("the WebSocket is closed")
        text = message.get("text")
        event: Event = TextMessage(text) if text is not None else BytesMessage(bytes(message["bytes"]))
        self._connection.send(self._frames.send(event))

    def _accept(self, message: Any) -> None:
        """101, then the frames that came too early."""
        lines = [
            status_line(101),
            b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ",
            generate_accept_token(self._value(b"sec-websocket-key")),
            b"\r\n",
        ]
        subprotocol = message.get("subprotocol")
        if subprotocol:
            lines.append(b"sec-websocket-protocol: %b\r\n" % subprotocol.encode("latin-1"))
        lines += [b"%b: %b\r\n" % pair for pair in message.get("headers", ())]
        self._connection.send(b"".join([*lines, date_line(), b"\r\n"]))
        self._frames = Frames(ConnectionType.SERVER)
        self._phase = _Phase.OPEN
        early, self._early = self._early, []
        for data in early:
            self.body_received(data)

    def _deny(self, status: int, text: bytes, headers: Any = ()) -> None:
        """An ordinary answer in place of the upgrade."""
        if not headers:
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
        if status == 426:
            headers = [*headers, (b"sec-websocket-version", VERSION), (b"upgrade", b"websocket")]
        lines = [status_line(status), *(b"%b: %b\r\n" % pair for pair in headers)]
        lines.append(b"content-length: %d\r\nconnection: close\r\n" % len(text))
        self._connection.send(b"".join([*lines, date_line(), b"\r\n", text]))
        self._finish(ABNORMAL, "")
        self._connection.answered(keep_alive=False)

    def _end(self, code: int, reason: str) -> None:
        """Close from this side; what the client still sends is read over."""
        frames = self._frames
        if frames is not None:
            try:
                self._connection.send(frames.send(CloseConnection(code=code, reason=reason or None)))
            except LocalProtocolError as error:
                logger.debug("no close frame: %s", error)
        self._finish(code, reason)
        self._connection.answered(keep_alive=False)

    def _finish(self, code: int, reason: str) -> None:
        if self._phase is not _Phase.ENDED:
            self._phase = _Phase.ENDED
            self._queue.append({"type": "websocket.disconnect", "code": code, "reason": reason})
            self._some.set()
            self._writable.set()
