"""What is sent upstream: the client's bytes with the few changes that are ours. Pure."""

import re
from urllib.parse import urlsplit

import msgspec

from dwctl.gateway.peek import Peek
from dwctl.gateway.routes import Route
from dwctl.gateway.upstream.origin import Address, split_url
from dwctl.routing.snapshot import Target
from dwctl.wire.exchange import Exchange

DROPPED = frozenset(
    {
        # hop by hop (RFC 9110 §7.6.1), and what we set ourselves
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization",
        b"te", b"trailer", b"transfer-encoding", b"upgrade", b"host", b"content-length", b"expect",
        b"accept-encoding",
        # credentials and what only we understand
        b"authorization", b"x-api-key", b"api-key", b"model-override", b"x-request-id",
        # what a browser says of its user
        b"origin", b"referer", b"cookie",
        # conditions that would make an answer depend on a cache
        b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range",
        # who stood between
        b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip",
    }
)  # fmt: skip
DROPPED_PREFIXES = (b"sec-", b"x-fusillade-", b"x-onwards-", b"x-dwctl-", b"cf-")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.encode
_TRUE = msgspec.Raw(b"true")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class Upstream(msgspec.Struct, frozen=True):
    """What is the same for every call to a target on a route, rendered once."""

    target: Target
    address: Address
    path: bytes
    """The request target without the query."""
    headers: bytes
    """Host, credential and coding, each line ended."""


def upstream_of(target: Target, route: Route) -> Upstream:
    """Render what a target and a route fix."""
    address, parts = split_url(target.url)
    lines = [f"host: {parts.netloc.rpartition('@')[2]}", "accept-encoding: identity"]
    if target.auth_header is not None:
        name, value = target.auth_header
        if _HEADER_NAME.fullmatch(name) and "\r" not in value and "\n" not in value:
            lines.append(f"{name}: {value}")
    headers = "".join(f"{line}\r\n" for line in lines).encode("utf-8")
    return Upstream(target, address, join_path(target.url, route.path).encode("utf-8"), headers)


def join_path(base: str, path: str) -> str:
    """Base path and request path; a version that both name stands there once.

    `http://h/v1/` and `/v1/embeddings` give `/v1/embeddings`; only whole segments count as the same.
    """
    base_path = urlsplit(base).path.rstrip("/")
    if base_path:
        segments = base_path.split("/")
        for size in range(min(len(segments) - 1, path.count("/")), 0, -1):
            tail = "/" + "/".join(segments[-size:])
            if path == tail or path.startswith(f"{tail}/"):
                return base_path + path[len(tail) :]
    return base_path + path


def request_head(upstream: Upstream, exchange: Exchange, length: int) -> bytes:
    """The whole head of the upstream request."""
    query = b"?" + exchange.query if exchange.query else b""
    lines = [b"POST ", upstream.path, query, b" HTTP/1.1\r\n", upstream.headers]
    has_type = False
    for name, value in exchange.headers:
        if name in DROPPED or name.startswith(DROPPED_PREFIXES):
            continue
        if name == b"content-type":
            has_type = True
        lines += (name, b": ", value, b"\r\n")
    if not has_type:
        lines.append(b"content-type: application/json\r\n")
    lines.append(b"content-length: %d\r\n\r\n" % length)
    return b"".join(lines)


def request_body(
    body: bytes, peeked: Peek, route: Route, model_name: str, asked_name: str | None
) -> tuple[bytes, bool]:
    """The body for a target, and whether usage was asked for in the client's place.

    Bytes are passed on as they came unless a field of ours changes; then every other value keeps its bytes.
    """
    rename = model_name != asked_name
    options = peeked.stream_options
    wants_usage = bool(options is not None and options.include_usage)
    add_usage = bool(route.forces_usage and peeked.stream and not wants_usage)
    if not rename and not add_usage:
        return body, False
    fields = _OBJECT.decode(body)
    if rename:
        fields["model"] = msgspec.Raw(_encode(model_name))
    if add_usage:
        given = fields.get("stream_options")
        inner = {} if given is None or options is None else _OBJECT.decode(given)
        inner["include_usage"] = _TRUE
        fields["stream_options"] = msgspec.Raw(_encode(inner))
    return _encode(fields), add_usage
