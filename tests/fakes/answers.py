"""Answers as lists of steps on a connection, down to the byte: how a fake upstream behaves, and misbehaves. Pure."""

import gzip
from collections.abc import Iterable, Sequence
from enum import Enum
from http import HTTPStatus
from itertools import pairwise

import msgspec

from tests.fakes.shapes import Json, error

Headers = Sequence[tuple[str, str]]
DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n"
_JSON = ("content-type", "application/json")


class Pause(msgspec.Struct, frozen=True):
    """Nothing is sent for this many seconds, or until the client leaves."""

    seconds: float


class Hang(msgspec.Struct, frozen=True):
    """Nothing is sent any more until the client leaves or the upstream stops."""


class Close(msgspec.Struct, frozen=True):
    """The connection ends in order (FIN)."""


class Reset(msgspec.Struct, frozen=True):
    """The connection ends by a reset (RST)."""


Step = bytes | Pause | Hang | Close | Reset


class Framing(Enum):
    """How the end of a body is told (RFC 9112 §6.3)."""

    LENGTH = "content-length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until close"


class Answer(msgspec.Struct, frozen=True):
    """What happens on the connection once a request has been read; each `bytes` step is one write."""

    steps: tuple[Step, ...]

    def delayed(self, seconds: float) -> "Answer":
        """The same, but the first byte comes later."""
        return Answer((Pause(seconds), *self.steps))

    def after(self, *heads: bytes) -> "Answer":
        """The same after other heads, such as `CONTINUE` or `EARLY_HINTS`."""
        return Answer((*heads, *self.steps))

    def closing(self) -> "Answer":
        """The same, then the connection ends although nothing announced it."""
        return Answer((*self.steps, Close()))

    def cut(self, at: int, *, reset: bool = False) -> "Answer":
        """The first `at` bytes, or all but the last `-at`, and then the connection ends."""
        left = at if at >= 0 else max(0, self.size() + at)
        kept: list[Step] = []
        for step in self.steps:
            if not left:
                break
            if isinstance(step, bytes):
                kept.append(step[:left])
                left -= min(left, len(step))
            else:
                kept.append(step)
        return Answer((*kept, Reset() if reset else Close()))

    def in_pieces(self, size: int, gap: float = 0.0) -> "Answer":
        """The same bytes in writes of `size`, `gap` seconds apart: splits lines, CRLFs and characters."""
        steps: list[Step] = []
        for step in self.steps:
            if not isinstance(step, bytes):
                steps.append(step)
                continue
            for start in range(0, len(step), size):
                steps.append(step[start : start + size])
                if gap:
                    steps.append(Pause(gap))
        return Answer(tuple(steps))

    def joined(self) -> "Answer":
        """The same bytes with neighbours in one write: head and body arrive together."""
        steps: list[Step] = []
        for step in self.steps:
            if isinstance(step, bytes) and steps and isinstance(steps[-1], bytes):
                steps[-1] += step
            else:
                steps.append(step)
        return Answer(tuple(steps))

    def size(self) -> int:
        """How many bytes it sends."""
        return sum(len(step) for step in self.steps if isinstance(step, bytes))


def head(status: int, headers: Headers, *, version: str = "1.1") -> bytes:
    """Status line and headers."""
    known = {item.value: item.phrase for item in HTTPStatus}
    lines = [f"HTTP/{version} {status} {known.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def reply(
    body: bytes | Sequence[bytes] = b"",
    *,
    status: int = 200,
    headers: Headers = (),
    framing: Framing = Framing.LENGTH,
    content_length: int | None = None,
    trailers: Headers = (),
    gap: float = 0.0,
) -> Answer:
    """Any HTTP answer; a sequence is one write (and one chunk) for each part, `gap` seconds apart.

    `content_length` is told in place of the true one; `trailers` follow a chunked body.
    """
    parts = [body] if isinstance(body, bytes) else list(body)
    lines = list(headers)
    end = b""
    if framing is Framing.LENGTH:
        length = sum(map(len, parts)) if content_length is None else content_length
        lines.append(("content-length", str(length)))
    elif framing is Framing.CHUNKED:
        lines.append(("transfer-encoding", "chunked"))
        if trailers:
            lines.append(("trailer", ", ".join(name for name, _ in trailers)))
        parts = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part]
        end = b"0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in trailers).encode() + b"\r\n"
    else:
        lines.append(("connection", "close"))
    steps: list[Step] = [head(status, lines)]
    for part in parts:
        if not part:
            continue
        if gap:
            steps.append(Pause(gap))
        steps.append(part)
    if end:
        steps.append(end)
    if framing is Framing.UNTIL_CLOSE:
        steps.append(Close())
    return Answer(tuple(steps))


def json_reply(
    value: Json,
    *,
    status: int = 200,
    headers: Headers = (),
    framing: Framing = Framing.LENGTH,
    compressed: bool = False,
) -> Answer:
    """A JSON answer; `compressed` by gzip, asked for or not."""
    body = msgspec.json.encode(value)
    if compressed:
        body, headers = gzip.compress(body, mtime=0), [*headers, ("content-encoding", "gzip")]
    return reply(body, status=status, headers=[_JSON, *headers], framing=framing)


def frames(
    values: Iterable[Json], *, named: bool = False, done: bool = True, line_end: bytes = b"\n"
) -> list[bytes]:
    """Server-sent events, each as bytes with its blank line; `named` adds `event:` from the value's type."""
    events = []
    for value in values:
        name = b"event: %b\n" % value["type"].encode() if named else b""
        events.append(b"%bdata: %b\n\n" % (name, msgspec.json.encode(value)))
    if done:
        events.append(DONE)
    return [event.replace(b"\n", line_end) for event in events]


def stream_reply(
    events: Sequence[bytes],
    *,
    framing: Framing = Framing.CHUNKED,
    headers: Headers = (),
    gap: float = 0.0,
    trailers: Headers = (),
) -> Answer:
    """A stream of events, a write for each."""
    kind = ("content-type", "text/event-stream; charset=utf-8")
    lines = [kind, ("cache-control", "no-cache"), *headers]
    return reply(events, headers=lines, framing=framing, gap=gap, trailers=trailers)


def rechunked(body: bytes, *boundaries: int) -> list[bytes]:
    """The body split at these offsets, so that a chunk may end inside a character or a line break."""
    return [body[start:end] for start, end in pairwise((0, *boundaries, len(body)))]


def too_many_requests(retry_after: str | None = "7") -> Answer:
    """429 as OpenAI sends it; without a hint as LiteLLM does."""
    hint = [("retry-after", retry_after)] if retry_after is not None else []
    body = error("Rate limit reached.", kind="requests", code="rate_limit_exceeded")
    return json_reply(body, status=429, headers=[*hint, ("x-ratelimit-remaining-requests", "0")])


def server_error(status: int = 500) -> Answer:
    """A failure in OpenAI's envelope."""
    return json_reply(error("The model server failed.", kind="server_error"), status=status)


def bad_gateway_page() -> Answer:
    """502 in HTML, as a proxy before the model server says it."""
    page = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>502 Bad Gateway</body>\r\n</html>\r\n"
    return reply(page, status=502, headers=[("content-type", "text/html"), ("server", "proxy")])


HANG = Answer((Hang(),))
CLOSED = Answer((Close(),))
"""The connection ends in place of an answer."""
RESET = Answer((Reset(),))
GARBAGE = Answer((b"\x16\x03\x01\x02\x00 this is not HTTP\r\n\r\n", Close()))
