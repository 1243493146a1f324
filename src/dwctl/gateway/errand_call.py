"""One errand under way: the exchange of a call without a client."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from dwctl.gateway.admission import Caller
from dwctl.gateway.routes import PREFIX
from dwctl.gateway.verdict import embedded_status, pause_in
from dwctl.requests.dispatch import Done, Errand
from dwctl.requests.reassemble import error_within, unstreamed
from dwctl.requests.record import Record, State
from dwctl.wire.errors import Problem
from dwctl.wire.exchange import Headers, Memo

_is_json = msgspec.json.Decoder(msgspec.Raw).decode
_COMPLETED = int(State.COMPLETED)
_FAILED = int(State.FAILED)
_CANCELED = int(State.CANCELED)
MAX_QUOTED = 4096
"""Bytes of an answer that is no JSON that are told."""


class Around(Protocol):
    """What an errand's call needs of its gateway."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    def over(self, call: "ErrandCall") -> None:
        """Its record is about to be handed over."""
        ...

    def unmade(self, errand: Errand) -> Record:
        """The record of an errand that never became a call."""
        ...


class ErrandCall:
    """Implements `Exchange`. Life: begun → answered, refused or canceled → `done`, exactly once."""

    __slots__ = (
        "_around", "_done", "_loop", "_over", "_parts", "_tap", "begun", "body", "client_host", "errand", "memo",
        "on_abort", "on_writable", "path", "received", "record",
    )  # fmt: skip

    method = b"POST"
    query = b""
    keep_alive = True
    # An answer without framing.
    chunked_ok = False

    def __init__(
        self, around: Around, errand: Errand, body: bytes, done: Done, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.errand = errand
        self.path: bytes = PREFIX + errand.path.encode("ascii", "replace")
        self.body = body
        self.client_host = ""
        self.memo = Memo()
        self.memo.facts = Caller(
            digest=errand.run_key,
            override=errand.model,
            user_agent=None,
            passed_on=b"".join([b"%b: %b\r\n" % pair for pair in errand.headers]),
            coding=None,
            cors=b"",
            trace=b"",
        )
        self.received = time.perf_counter()
        self.on_abort: Callable[[], None] | None = None
        self.on_writable: Callable[[bool], None] | None = None
        self.record: Record | None = None
        """Of the call, once it has its end."""
        self.begun = False
        """Whether `done` may be called at once."""
        self._around = around
        self._done = done
        self._loop = loop
        self._parts: list[bytes] = []
        self._tap = errand.tap
        if self._tap is not None:
            self._tap.on_writable = self._let_go_on
        self._over = False

    @property
    def headers(self) -> Headers:
        """There are none that anybody but the upstream reads."""
        return []

    def header(self, name: bytes) -> bytes | None:
        """None of them."""
        del name
        return None

    def write(self, data: bytes) -> None:
        """Some of the answer: its head first, by itself."""
        self._parts.append(data)
        tap = self._tap
        if tap is not None and len(self._parts) > 1:
            tap.feed(data)
        elif tap is not None and not _streams(data):
            self._tap = None

    def finish(self, data: bytes = b"", *, close: bool = False) -> None:
        """The answer is complete, or cut short: the record tells which."""
        del close
        record = self.record
        if self._over or record is None:
            return
        parts, self._parts = self._parts, []
        answer = data if not parts else b"".join((*parts, data))
        head, _, body = answer.partition(b"\r\n\r\n")
        body = settled(record, body)
        pause = pause_in(head, self._around.now()) if record.state == _FAILED else 0.0
        self._end(record, body, pause)

    def refused(self, problem: Problem) -> None:
        """It did not become a call."""
        record = self._around.unmade(self.errand)
        record.status_code = problem.status
        record.error_code, record.error_message = problem.code, problem.message
        lines = b"\n".join(b"%b: %b" % pair for pair in problem.headers)
        self._end(record, problem.body(), pause_in(lines, self._around.now()))

    def cancel(self) -> None:
        """End it early; nothing once it has ended."""
        if self._over:
            return
        on_abort, self.on_abort = self.on_abort, None
        if on_abort is not None:
            on_abort()
        if self.record is not None and self.record.state == _COMPLETED:
            # Its answer was whole but for the last bytes.
            self.finish()
            return
        # One that waited for credit has none.
        record = self.record or self._around.unmade(self.errand)
        record.state = _CANCELED
        record.status_code = 0
        record.error_code, record.error_message = "cancelled", "This request was cancelled while it was run."
        self._end(record, b"", 0.0)

    def _let_go_on(self, ready: bool) -> None:
        if self.on_writable is not None:
            self.on_writable(ready)

    def _end(self, record: Record, body: bytes, pause: float) -> None:
        if self._over:
            return
        self._over = True
        if self.begun:
            self._tell(record, body, pause)
        else:
            self._loop.call_soon(self._tell, record, body, pause)

    def _tell(self, record: Record, body: bytes, pause: float) -> None:
        self._around.over(self)
        self._done(record, body, pause)


def settled(record: Record, body: bytes) -> bytes:
    """The answer's JSON, and the record put right where the whole answer tells more than its head did.

    An error inside an answer of status 200 is a failure with its own status, if it has one.
    """
    failed = record.state != _COMPLETED
    plain = _readable(body)
    if plain is None:
        found = error_within(body) if failed else None
        plain = found or (None if failed else unstreamed(body))
    if plain is None:
        if not failed:
            record.state = _FAILED
            record.status_code = 502
            record.error_code = "upstream_error"
            record.error_message = "The model server's answer is not the JSON that was expected."
        return _quoted(record, body)
    if failed and record.status_code < 400:
        record.status_code = embedded_status(plain) or 500
    return plain


def _streams(head: bytes) -> bool:
    """Whether the head of an answer announces events of a call that goes well."""
    status, _, lines = head.partition(b"\r\n")
    return status[9:10] == b"2" and b"\r\ncontent-type: text/event-stream" in b"\r\n" + lines.lower()


def _readable(body: bytes) -> bytes | None:
    """The body, if it is JSON."""
    try:
        _is_json(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return body


def _quoted(record: Record, body: bytes) -> bytes:
    """A failure in our envelope, with the words of an answer that is no JSON."""
    text = body[:MAX_QUOTED].decode("utf-8", "replace").strip() or record.error_message or ""
    problem = Problem(status=record.status_code, message=text, type="server_error", code=record.error_code)
    return problem.body()
