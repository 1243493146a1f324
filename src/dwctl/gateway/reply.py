"""What the client gets: the upstream's answer with our id, without what is not for the client. Pure."""

from typing import Final

import msgspec

from dwctl.gateway.rendered import Upstream
from dwctl.gateway.upstream.response_head import Head
from dwctl.usage.meter import of_named_reply, of_reply
from dwctl.usage.metered import Metered
from dwctl.wire.exchange import Exchange
from dwctl.wire.heads import date_line, status_line
from dwctl.wire.splice import Member

_id: Final = Member("id")
_BODILESS: Final = frozenset({204, 304})
_OF_THE_BODY = (b"content-type:", b"content-encoding:")


def our_lines(ident: bytes, overhead_ms: float | None) -> bytes:
    """The headers that every answer of a call has; `ident` is the id of its row."""
    if overhead_ms is None:
        return b"x-onwards-response-id: resp_%b\r\nx-request-id: %b\r\n" % (ident, ident)
    # In whole numbers: a float's own formatting takes as long as all the rest of this.
    hundredths = int(overhead_ms * 100 + 0.5)
    return b"x-onwards-response-id: resp_%b\r\nx-request-id: %b\r\nx-dwctl-overhead-ms: %d.%d%d\r\n" % (
        ident,
        ident,
        hundredths // 100,
        hundredths // 10 % 10,
        hundredths % 10,
    )


def announcing(head: Head, upstream: Upstream) -> Head:
    """The head with what its target announces, in place of its own headers of those names (spec/gateway A1.10)."""
    kept = [
        line
        for line in head.lines.splitlines(keepends=True)
        if line.partition(b":")[0].lower() not in upstream.announced_names
    ]
    return msgspec.structs.replace(head, lines=b"".join((*kept, upstream.announced)))


def whole(head: Head, status: int, ours: bytes, body: bytes, exchange: Exchange, now: float) -> bytes:
    """A complete answer; `status` differs from the upstream's where its answer was reshaped. `now` in unix seconds."""
    if not (exchange.keep_alive and exchange.chunked_ok):
        ours += connection_line(exchange, keep_alive=exchange.keep_alive)
    if status in _BODILESS:
        return b"".join((status_line(status), date_line(now), head.lines, ours, b"\r\n", body))
    return b"%b%b%b%bcontent-length: %d\r\n\r\n%b" % (
        status_line(status),
        date_line(now),
        head.lines,
        ours,
        len(body),
        body,
    )


def page_of(exchange: Exchange, ours: bytes, body: bytes) -> bytes:
    """A complete answer of our own: JSON with the status 200."""
    return b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%b%b%b\r\n%b" % (
        status_line(200),
        len(body),
        date_line(),
        ours,
        connection_line(exchange, keep_alive=exchange.keep_alive),
        body,
    )


def opening(head: Head, ours: bytes, exchange: Exchange) -> bytes:
    """The head of an answer of unknown length: chunked, or until the connection closes for HTTP/1.0."""
    framing = b"transfer-encoding: chunked\r\n" if exchange.chunked_ok else b""
    keep_alive = exchange.keep_alive and exchange.chunked_ok
    return b"%b%b%b%b%b%b\r\n" % (
        status_line(head.status),
        date_line(),
        head.lines,
        ours,
        framing,
        connection_line(exchange, keep_alive=keep_alive),
    )


def connection_line(exchange: Exchange, *, keep_alive: bool) -> bytes:
    """`Connection`, where it differs from what the version of HTTP implies (RFC 9112 §9.3)."""
    if not keep_alive:
        return b"connection: close\r\n"
    return b"" if exchange.chunked_ok else b"connection: keep-alive\r\n"


def as_json(head: Head) -> Head:
    """The head for a body that is plain JSON now, whatever the upstream's was."""
    if head.json:
        return head
    lines = [line for line in head.lines.split(b"\r\n") if not line.lower().startswith(_OF_THE_BODY)]
    return msgspec.structs.replace(
        head, json=True, coded=False, lines=b"\r\n".join([b"content-type: application/json", *lines])
    )


def as_ours(body: bytes, ident: bytes) -> tuple[bytes, Metered]:
    """A whole reply with `resp_<ident>` in place of its own id, and what it says of itself.

    One parse for both: it reads the new id back, and so tells whether the place of the old one was right.
    """
    name = b"resp_%b" % ident
    quoted = b'"%b"' % name
    changed = _id.swapped(body, quoted)
    metered = of_named_reply(changed, name.decode()) if changed else None
    if metered is None:
        return with_id(body, quoted), of_reply(body)
    return changed, metered


def with_id(body: bytes, quoted_id: bytes) -> bytes:
    """A JSON object with our id in place of its own; anything else as it is. `quoted_id` has its quotes."""
    return _id.set(body, quoted_id)
