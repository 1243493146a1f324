"""Who is it, and may they use this model? Pure: headers, body and snapshot in, an admission or a refusal out."""

from hashlib import sha256

import msgspec

from dwctl.gateway.peek import Peek, peek
from dwctl.routing.access import may_infer, may_use
from dwctl.routing.snapshot import Key, Model, Snapshot
from dwctl.wire.errors import Problem, Refused
from dwctl.wire.exchange import Exchange

_CHALLENGE = ((b"www-authenticate", b"Bearer"),)
MAX_MODEL_NAME = 512


class Admission(msgspec.Struct, frozen=True, gc=False):
    """A call that may go on."""

    key: Key
    model: Model
    peeked: Peek


def credential(exchange: Exchange) -> bytes | None:
    """The secret in `Authorization: Bearer` (RFC 6750; the scheme in any case) or `x-api-key`."""
    value = exchange.header(b"authorization")
    if value is not None:
        scheme, _, secret = value.partition(b" ")
        if scheme.lower() == b"bearer" and secret:
            return secret.strip()
    return exchange.header(b"x-api-key")


def authenticate(snapshot: Snapshot, exchange: Exchange, now: float) -> Key:
    """The live key that the request carries; `now` in unix seconds."""
    secret = credential(exchange)
    if not secret:
        raise Refused(
            Problem(
                status=401,
                message="No API key was sent; send it as 'Authorization: Bearer sk-...'.",
                code="invalid_api_key",
                headers=_CHALLENGE,
            )
        )
    key = snapshot.keys.get(sha256(secret).digest())
    if key is None or (key.expires_at is not None and key.expires_at <= now):
        text = "The API key is not valid." if key is None else "The API key has expired."
        raise Refused(Problem(status=401, message=text, code="invalid_api_key", headers=_CHALLENGE))
    if not may_infer(key, now):
        raise Refused(
            Problem(
                status=403,
                message=f"An API key with the purpose '{key.purpose}' cannot call models; create one with the "
                "purpose 'realtime'.",
                code="forbidden",
            )
        )
    return key


def admit(snapshot: Snapshot, exchange: Exchange, now: float) -> Admission:
    """Key, then model, then access."""
    key = authenticate(snapshot, exchange, now)
    peeked = peek(exchange.body)
    override = exchange.header(b"model-override")
    name = peeked.model if override is None else override.decode("utf-8", "replace")
    if not name:
        raise Refused(
            Problem(
                status=400,
                message="Missing required parameter: 'model'.",
                param="model",
                code="missing_required_parameter",
            )
        )
    model = snapshot.models.get(name)
    if model is None:
        shown = name if len(name) <= MAX_MODEL_NAME else f"{name[:MAX_MODEL_NAME]}..."
        raise Refused(
            Problem(
                status=404,
                message=f"The model '{shown}' does not exist.",
                param="model",
                code="model_not_found",
            )
        )
    if not may_use(key, model):
        raise Refused(
            Problem(
                status=403,
                message=f"You do not have access to '{name}'. Please contact your administrator to request access.",
                param="model",
                code="forbidden",
            )
        )
    return Admission(key, model, peeked)
