"""What is sent upstream: the client's bytes with the few changes that are ours (spec/gateway A1.9, A1.13). Pure."""

import re
from urllib.parse import quote, urlsplit

import msgspec

from dwctl.gateway.peeked import Peek
from dwctl.gateway.reasoning import CHAT, RESPONSES
from dwctl.gateway.rendered import Upstream
from dwctl.gateway.routes import Route
from dwctl.gateway.shapes import GivenOptions
from dwctl.gateway.upstream.address import split_url
from dwctl.routing.condition import Load
from dwctl.routing.snapshot import Target
from dwctl.wire.exchange import Headers
from dwctl.wire.splice import Member

DROPPED = frozenset(
    {
        # hop by hop (RFC 9110 §7.6.1), and what we set ourselves
        b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
        b"host", b"content-length", b"content-type", b"content-encoding", b"expect", b"accept-encoding",
        # credentials, and what only we understand
        b"authorization", b"proxy-authenticate", b"proxy-authorization", b"x-api-key", b"api-key",
        b"model-override",
        # what a browser says of its user
        b"origin", b"referer", b"cookie",
        # who stood between
        b"traceparent", b"tracestate", b"baggage", b"b3", b"uber-trace-id",
        b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto",
        b"x-forwarded-prefix", b"x-real-ip", b"true-client-ip",
    }
)  # fmt: skip
DROPPED_PREFIXES = (b"x-b3-", b"x-fusillade-", b"x-onwards-", b"x-dwctl-", b"sec-", b"if-", b"cf-")
"""Traces, ours, a browser's, conditions (an answer must not depend on a cache), a CDN's."""
_PLAIN_CONNECTION = frozenset({b"keep-alive", b"close"})
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_IN_VALUES = re.compile(r"[\r\n\0]")
_UNRESERVED = "/%:@!$&'()*+,;=~-._"

MODEL = Member("model")
_stream_options = Member("stream_options")
_include_usage = Member("include_usage")
_USAGE_ONLY = b'{"include_usage":true}'


_JSON = "content-type: application/json"
JSON_LINE = f"{_JSON}\r\n".encode()


_options_of = msgspec.json.Decoder(GivenOptions).decode


def turns(target: Target, path: str) -> bool:
    """Whether a target is asked by another path than the call's, for its server does not know that one."""
    return target.adapts_chat and path == CHAT


def upstream_of(target: Target, route: Route, load: Load) -> Upstream:
    """Render what a target and a route fix."""
    turned = turns(target, route.path)
    address, parts = split_url(target.url)
    lines = [
        f"host: {parts.netloc.rpartition('@')[2]}",
        *([] if route.form else [_JSON]),
        "accept-encoding: identity",
        "x-forwarded-proto: https",
    ]
    if target.auth_header is not None:
        name, value = target.auth_header
        if _HEADER_NAME.fullmatch(name) is None or _NOT_IN_VALUES.search(value):
            raise ValueError(f"the credential of endpoint '{target.endpoint_name}' cannot stand in a header")
        lines.append(f"{name}: {value}")
    headers = "".join(f"{line}\r\n" for line in lines).encode("utf-8")
    path = quote(join_path(target.url, RESPONSES if turned else route.path), safe=_UNRESERVED)
    announced = "".join(f"{name}: {value}\r\n" for name, value in target.response_headers)
    names = frozenset(name.encode() for name, _ in target.response_headers)
    return Upstream(target, address, path.encode("ascii"), headers, load, announced.encode(), names, turned)


def join_path(base: str, path: str) -> str:
    """Base path and request path; segments that end the one and begin the other stand there once.

    `http://h/v1/` and `/v1/embeddings` give `/v1/embeddings`; `http://h/api/v1` gives `/api/v1/embeddings`;
    `http://h/v10` gives `/v10/v1/embeddings`, for only whole segments are compared.
    """
    base_path = urlsplit(base).path.rstrip("/")
    if base_path:
        segments = base_path.split("/")
        for size in range(min(len(segments) - 1, path.count("/")), 0, -1):
            tail = "/" + "/".join(segments[-size:])
            if path == tail or path.startswith(f"{tail}/"):
                return base_path + path[len(tail) :]
    return base_path + path


def passed_on(headers: Headers) -> bytes:
    """The client's headers that go on to an upstream, each line ended."""
    dropped = DROPPED
    for name, value in headers:
        if name == b"connection" and value.lower() not in _PLAIN_CONNECTION:
            dropped = DROPPED | nominated(headers)
            break
    return b"".join(
        [
            b"%b: %b\r\n" % pair
            for pair in headers
            if pair[0] not in dropped and not pair[0].startswith(DROPPED_PREFIXES)
        ]
    )


def request_head(upstream: Upstream, query: bytes, headers: bytes, length: int) -> bytes:
    """The whole head of the upstream request; `headers` are the client's, for a body of so many bytes."""
    return b"%b%d\r\n\r\n" % (head_start(upstream, query, headers), length)


def head_start(upstream: Upstream, query: bytes, headers: bytes) -> bytes:
    """That head up to the digits of the length."""
    return b"POST %b%b HTTP/1.1\r\n%b%bcontent-length: " % (
        upstream.path,
        b"?" + query if query else b"",
        upstream.headers,
        headers,
    )


def nominated(headers: Headers) -> frozenset[bytes]:
    """The fields that `Connection` declares to be for the next hop alone (RFC 9110 §7.6.1), and itself."""
    values = [value for name, value in headers if name == b"connection"]
    return frozenset(name.strip() for name in b",".join((b"connection", *values)).lower().split(b","))


def request_body(body: bytes, peeked: Peek, route: Route, model_name: str) -> tuple[bytes, bool]:
    """The body for a target, and whether usage was asked for in the client's place.

    The bytes are passed on as they came but for the members that change (wire/splice.py).
    """
    if model_name != peeked.model:
        body = MODEL.set(body, msgspec.json.encode(model_name))
    if not (peeked.stream and route.forces_usage) or peeked.includes_usage:
        return body, False
    if not peeked.has_stream_options:
        return _stream_options.append(body, _USAGE_ONLY), True
    given = bytes(_options_of(body).stream_options)
    wanted = _USAGE_ONLY if given == b"null" else _include_usage.set(given, b"true")
    return _stream_options.set(body, wanted), True
