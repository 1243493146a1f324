"""One call of a tool: the arguments to its server as JSON, and what becomes of the answer.

What goes wrong is told to the model, which may do better: an error is a result that begins with `Error:`. A request is
sent once, for a tool may change things: its connection serves no other call, so that none is sent again because a kept
one turned out to be closed. `idempotency-key` is the same when a queued call that was broken off runs again and calls
the tool with the same arguments; a server that heeds it does the work once.
"""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from urllib.parse import quote

import msgspec

from dwctl.gateway.upstream.address import Address, split_url
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.gateway.upstream.connection import Failure
from dwctl.gateway.upstream.origin import Ticket
from dwctl.gateway.upstream.response_head import Head
from dwctl.routing.snapshot import Timeouts
from dwctl.routing.tools import Tool
from dwctl.wire.loose import FAULTS

_UNRESERVED = "/%:@!$&'()*+,;=~-._"
OK = "ok"
TIMEOUT = "timeout"
CANCELLED = "cancelled"
MAX_QUOTED = 1024
"""Bytes of a failed answer that the model is told."""
_raw = msgspec.json.Decoder(msgspec.Raw).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Result(msgspec.Struct, frozen=True):
    """What the model is told."""

    text: str
    outcome: str = OK
    """`ok`, or why it is an error: a word for metrics."""


Told = Callable[[Result], None]


class ToolRun:
    """Implements `Receiver`. Life: begun → `told` once, later, or cancelled."""

    __slots__ = (
        "_body",
        "_head",
        "_limit",
        "_over",
        "_size",
        "_ticket",
        "_timer",
        "_told",
        "_tool",
        "deadline",
    )

    def __init__(self, tool: Tool, limit: int, told: Told, deadline: float) -> None:
        self.deadline = deadline
        self._tool = tool
        self._limit = limit
        self._told = told
        self._ticket: Ticket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._head: Head | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._over = False

    @property
    def timeouts(self) -> Timeouts | None:
        """One limit of time for all of it, kept here."""
        return None

    def begin(self, client: UpstreamClient, key: str, arguments: str, within: float) -> None:
        """Send it, to be answered within so many seconds; `key` is the idempotency key."""
        body = arguments_of(arguments)
        if body is None:
            self._tell(Result("Error: the arguments are not a JSON object.", "arguments"))
            return
        try:
            address, request = request_of(self._tool, key, body)
        except ValueError:
            self._tell(Result("Error: the address of the tool cannot be called.", "unreachable"))
            return
        self._timer = asyncio.get_running_loop().call_later(within, self._late, within)
        self._ticket = client.submit(address, request, self)
        if self._over:
            self._ticket.cancel()

    def cancel(self) -> None:
        """Nobody wants to know any more."""
        self._over = True
        self._stop()

    def on_head(self, head: Head) -> None:
        """The answer begins."""
        self._head = head

    def on_body(self, data: bytes) -> None:
        """More of it."""
        self._body.append(data)
        self._size += len(data)
        if self._size > self._limit:
            self._tell(self._too_large())

    def on_quiet(self, seconds: float) -> None:
        """It takes its time."""

    def on_end(self) -> None:
        """It is whole."""
        self._close()
        if self._head is not None:
            self._tell(self._result(self._head, b"".join(self._body)))

    def on_whole(self, head: Head, body: bytes) -> None:
        """It came in one piece."""
        self._close()
        self._tell(self._too_large() if len(body) > self._limit else self._result(head, body))

    def on_failure(self, failure: Failure, detail: str) -> None:
        """There is none."""
        del detail
        self._ticket = None
        outcome = "not_allowed" if failure is Failure.NOT_ALLOWED else "unreachable"
        self._tell(Result(f"Error: the server of the tool {failure.value}.", outcome))

    def _close(self) -> None:
        """Whatever the server says, the connection serves no other call."""
        ticket, self._ticket = self._ticket, None
        if ticket is not None and ticket.connection is not None:
            ticket.connection.abandon()

    def _late(self, within: float) -> None:
        self._tell(Result(f"Error: the tool did not answer within {within:g} seconds.", TIMEOUT))

    def _too_large(self) -> Result:
        return Result(f"Error: the answer of the tool is longer than {self._limit} bytes.", "too_large")

    def _result(self, head: Head, body: bytes) -> Result:
        if head.status >= 300:
            said = body[:MAX_QUOTED].decode("utf-8", "replace").strip()
            return Result(f"Error: the tool answered {head.status}{f': {said}' if said else '.'}", "status")
        if head.coded:
            return Result(
                "Error: the answer of the tool is compressed, which was not asked for.", "unreadable"
            )
        return Result(result_text(body))

    def _tell(self, result: Result) -> None:
        if self._over:
            return
        self._over = True
        self._stop()
        # Never from within `begin`: whoever began it goes on first.
        asyncio.get_running_loop().call_soon(self._told, result)

    def _stop(self) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            ticket.cancel()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def arguments_of(text: str) -> bytes | None:
    """What is sent; a model that has nothing to say says nothing. None for what is no JSON object."""
    data = text.encode("utf-8", "replace")
    if not data.strip():
        return b"{}"
    try:
        _object(data)
    except FAULTS:
        return None
    return data


def result_text(body: bytes) -> str:
    """JSON as it came; anything else as the text of `{"result": …}`."""
    try:
        _raw(body)
        return body.decode("utf-8")
    except FAULTS:
        return _encode({"result": body.decode("utf-8", "replace")}).decode("utf-8")


def request_of(tool: Tool, key: str, body: bytes) -> tuple[Address, bytes]:
    """Where it goes and what is sent; raises ValueError."""
    address, parts = split_url(tool.url)
    path = quote(parts.path or "/", safe=_UNRESERVED)
    if parts.query:
        path += "?" + quote(parts.query, safe=_UNRESERVED + "?")
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: {parts.netloc.rpartition('@')[2]}",
        "content-type: application/json",
        "accept: application/json",
        "accept-encoding: identity",
        "connection: close",
        "user-agent: dwctl",
        f"idempotency-key: {key}",
        f"content-length: {len(body)}",
    ]
    if tool.secret is not None:
        lines.append(f"authorization: Bearer {tool.secret}")
    return address, "".join(f"{line}\r\n" for line in lines).encode("utf-8") + b"\r\n" + body


def key_of(ident: str, name: str, arguments: str, number: int) -> str:
    """The idempotency key of a row's call of a tool with these arguments, the `number`th that is the same."""
    digest = sha256(f"{name}\0{arguments}".encode("utf-8", "replace")).hexdigest()[:32]
    return f"{ident}-{digest}-{number}"
