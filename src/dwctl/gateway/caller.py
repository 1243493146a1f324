"""What the head of a request says of its caller, worked out once for as long as a client repeats the head. Pure."""

from hashlib import sha256

from dwctl.gateway.admission import Caller
from dwctl.gateway.inflate import coding_of
from dwctl.gateway.prepare import passed_on
from dwctl.gateway.trace import trace_lines
from dwctl.routing.snapshot import Target
from dwctl.wire.cors import Cors
from dwctl.wire.exchange import Exchange

MAX_USER_AGENT = 256


def caller_of(exchange: Exchange, cors: Cors) -> Caller:
    """Who sends this request."""
    known = exchange.memo.facts
    if isinstance(known, Caller):
        return known
    secret = credential(exchange)
    override = exchange.header(b"model-override")
    agent = exchange.header(b"user-agent")
    caller = Caller(
        sha256(secret).digest() if secret else None,
        None if override is None else override.decode("utf-8", "replace"),
        None if agent is None else agent[:MAX_USER_AGENT].decode("ascii", "replace"),
        passed_on(exchange.headers),
        None if exchange.header(b"content-encoding") is None else _coding(exchange),
        cors.lines(exchange.header(b"origin")),
        trace_lines(exchange.headers),
    )
    exchange.memo.facts = caller
    return caller


def _coding(exchange: Exchange) -> str | None:
    return coding_of(b",".join(value for name, value in exchange.headers if name == b"content-encoding"))


def credential(exchange: Exchange) -> bytes | None:
    """The secret in `Authorization: Bearer` (RFC 6750; the scheme in any case), else in `x-api-key`."""
    value = exchange.header(b"authorization")
    if value is not None:
        scheme, _, secret = value.partition(b" ")
        if scheme.lower() == b"bearer" and secret:
            return secret.strip()
    return exchange.header(b"x-api-key")


def headers_for(caller: Caller, target: Target) -> bytes:
    """The client's headers that a target gets; its traces only where the target is trusted."""
    return caller.passed_on + caller.trace if caller.trace and target.trusted else caller.passed_on
