"""What the client gets: the upstream's answer with our id, without what is not for the client. Pure."""

import re

import msgspec

from dwctl.gateway.upstream.response import Head
from dwctl.wire.dates import date_line
from dwctl.wire.errors import status_line

DROPPED = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"te", b"trailer",
        b"transfer-encoding", b"upgrade", b"content-length", b"server", b"set-cookie", b"date", b"via",
        b"x-request-id", b"alt-svc", b"strict-transport-security", b"www-authenticate",
    }
)  # fmt: skip
DROPPED_PREFIXES = (b"x-ratelimit-", b"cf-", b"x-onwards-", b"x-fusillade-", b"access-control-", b"x-dwctl-")
_LEADING_ID = re.compile(rb'\s*\{\s*"id"\s*:\s*"((?:[^"\\]|\\.)*)"')
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def head_lines(head: Head, ours: bytes) -> bytes:
    """Status line and headers without framing; `ours` are whole lines."""
    lines = [status_line(head.status)]
    for name, value in head.headers:
        if name in DROPPED or name.startswith(DROPPED_PREFIXES):
            continue
        lines += (name, b": ", value, b"\r\n")
    lines += (date_line(), ours)
    return b"".join(lines)


def is_json(head: Head) -> bool:
    """Whether the body is announced as JSON and not compressed."""
    kind = head.first(b"content-type")
    return kind is not None and b"json" in kind and is_plain(head)


def is_event_stream(head: Head) -> bool:
    """Whether the body is a stream of events."""
    kind = head.first(b"content-type")
    return kind is not None and kind.lower().startswith(b"text/event-stream")


def is_plain(head: Head) -> bool:
    """Whether the body has no content coding."""
    return head.first(b"content-encoding") in (None, b"", b"identity")


def with_id(body: bytes, quoted_id: bytes) -> bytes:
    """A JSON object with our id in place of its own; anything else as it is. `quoted_id` has its quotes."""
    match = _LEADING_ID.match(body)
    if match is not None:
        return body[: match.start(1) - 1] + quoted_id + body[match.end(1) + 1 :]
    try:
        fields = _OBJECT.decode(body)
    except msgspec.MsgspecError:
        return body
    fields["id"] = msgspec.Raw(quoted_id)
    return msgspec.json.encode(fields)
