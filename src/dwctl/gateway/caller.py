"""What the head of a request says of its caller, worked out once for as long as a client repeats the head. Pure."""

from hashlib import sha256
from typing import Final

import msgspec

from dwctl.gateway.admission import Caller
from dwctl.gateway.inflate import coding_of
from dwctl.gateway.prepare import passed_on
from dwctl.gateway.trace import trace_lines
from dwctl.routing.snapshot import Target
from dwctl.wire.cors import Cors
from dwctl.wire.exchange import Exchange

MAX_USER_AGENT = 256
_READ: Final = frozenset(
    {
        *(b"authorization", b"x-api-key", b"model-override", b"user-agent"),
        *(b"content-encoding", b"origin", b"traceparent"),
    }
)
"""What is read here."""


def caller_of(exchange: Exchange, cors: Cors) -> Caller:
    """Who sends this request."""
    memo = exchange.memo
    known = memo.facts
    if isinstance(known, Caller):
        return known
    like = memo.like
    if isinstance(like, Caller) and (secret := credential(memo.authorization, None)):
        caller = msgspec.structs.replace(like, digest=sha256(secret).digest())
        memo.facts = caller
        return caller
    # The first field of each name counts, so the last one is read first. In one pass: every head that is not repeated
    # goes through here.
    authorization = key = override = agent = coding = origin = trace = None
    for name, value in reversed(exchange.headers):
        if name not in _READ:
            continue
        if name == b"authorization":
            authorization = value
        elif name == b"user-agent":
            agent = value
        elif name == b"x-api-key":
            key = value
        elif name == b"model-override":
            override = value
        elif name == b"content-encoding":
            coding = value
        elif name == b"origin":
            origin = value
        else:
            trace = value
    secret = credential(authorization, key)
    caller = Caller(
        sha256(secret).digest() if secret else None,
        None if override is None else override.decode("utf-8", "replace"),
        None if agent is None else agent[:MAX_USER_AGENT].decode("ascii", "replace"),
        passed_on(exchange.headers),
        None if coding is None else _coding(exchange),
        b"" if origin is None else cors.lines(origin),
        b"" if trace is None else trace_lines(exchange.headers),
    )
    memo.facts = caller
    return caller


def _coding(exchange: Exchange) -> str | None:
    return coding_of(b",".join(value for name, value in exchange.headers if name == b"content-encoding"))


def credential(authorization: bytes | None, key: bytes | None) -> bytes | None:
    """The secret in `Authorization: Bearer` (RFC 6750; the scheme in any case), else in `x-api-key`."""
    if authorization is not None:
        scheme, _, secret = authorization.partition(b" ")
        if scheme.lower() == b"bearer" and secret:
            return secret.strip()
    return key


def headers_for(caller: Caller, target: Target) -> bytes:
    """The client's headers that a target gets; its traces only where the target is trusted."""
    return caller.passed_on + caller.trace if caller.trace and target.trusted else caller.passed_on
