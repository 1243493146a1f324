"""The opening of a WebSocket that is passed through (RFC 6455 §4): what goes on to the model server. Pure."""

import base64
import hashlib
from urllib.parse import quote, unquote_plus

from dwctl.gateway.rendered import Upstream
from dwctl.gateway.upstream.response_head import Head
from dwctl.wire.errors import Problem, Refused
from dwctl.wire.exchange import Headers
from dwctl.wire.heads import status_line

KEY_PROTOCOL = b"openai-insecure-api-key."
"""A browser cannot set headers of a WebSocket, so its key comes as the name of a subprotocol."""
VERSION = b"13"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_OF_A_BODY = (b"content-type:", b"accept-encoding:")


def model_in(query: bytes) -> str | None:
    """The parameter `model`; raises `Refused` when it stands there twice."""
    found = [
        value
        for name, _, value in (part.partition(b"=") for part in query.split(b"&"))
        if _text(name) == "model"
    ]
    if len(found) > 1:
        text = "The parameter 'model' stands in the query twice; send it once."
        raise Refused(Problem(status=400, message=text, param="model", code="invalid_value"))
    return _text(found[0]) if found else None


def with_model(query: bytes, model: str) -> bytes:
    """The query with the name that the model server knows; the other parameters as they are."""
    rest = [part for part in query.split(b"&") if part and _text(part.partition(b"=")[0]) != "model"]
    return b"&".join([b"model=" + quote(model, safe="").encode("ascii"), *rest])


def subprotocols(headers: Headers) -> tuple[bytes | None, list[bytes]]:
    """The key that came as a subprotocol, and the others."""
    offered = [
        word.strip()
        for name, value in headers
        if name == b"sec-websocket-protocol"
        for word in value.split(b",")
        if word.strip()
    ]
    keys = [word[len(KEY_PROTOCOL) :] for word in offered if word.startswith(KEY_PROTOCOL)]
    return (keys[0] if keys else None), [word for word in offered if not word.startswith(KEY_PROTOCOL)]


def nonce_of(headers: Headers) -> bytes:
    """`Sec-WebSocket-Key`; raises `Refused` for an opening that is none."""
    given = dict(reversed(headers))
    if given.get(b"sec-websocket-version") != VERSION:
        text = "This server speaks version 13 of WebSocket."
        answer = ((b"sec-websocket-version", VERSION), (b"upgrade", b"websocket"))
        raise Refused(Problem(status=426, message=text, headers=answer))
    nonce = given.get(b"sec-websocket-key", b"")
    try:
        known = len(base64.b64decode(nonce, validate=True)) == 16
    except ValueError:
        known = False
    if not known:
        raise Refused(Problem(status=400, message="Sec-WebSocket-Key must be 16 bytes in base64."))
    return nonce


def upgrade_request(
    upstream: Upstream, query: bytes, passed_on: bytes, headers: Headers, protocols: list[bytes]
) -> bytes:
    """The whole request; frames that follow are the client's own, so its key goes on as it is.

    Its extensions do not: they change frames (compression), and what the server tells in them is read on the way.
    """
    ours = [line for line in upstream.headers.split(b"\r\n") if line and not line.startswith(_OF_A_BODY)]
    kept = [
        b"%b: %b" % pair for pair in headers if pair[0] in (b"sec-websocket-key", b"sec-websocket-version")
    ]
    if protocols:
        kept.append(b"sec-websocket-protocol: " + b", ".join(protocols))
    lines = [
        b"GET %b?%b HTTP/1.1" % (upstream.path, query),
        *ours,
        b"connection: Upgrade",
        b"upgrade: websocket",
    ]
    return b"\r\n".join([*lines, *kept, passed_on]) + b"\r\n"


def switching(head: Head, nonce: bytes, ours: bytes) -> bytes | None:
    """The 101 for the client; None when the server did not answer this opening (RFC 6455 §4.1)."""
    accept = base64.b64encode(hashlib.sha1(nonce + _GUID, usedforsecurity=False).digest())
    said = [
        line.partition(b":")[2].strip()
        for line in head.lines.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-accept:")
    ]
    if said != [accept] or b"\nsec-websocket-extensions:" in b"\n" + head.lines.lower():
        # Also an extension that nobody has asked for.
        return None
    return b"%bupgrade: websocket\r\nconnection: Upgrade\r\n%b%b\r\n" % (status_line(101), head.lines, ours)


def _text(raw: bytes) -> str:
    return unquote_plus(raw.decode("latin-1"), errors="replace")
