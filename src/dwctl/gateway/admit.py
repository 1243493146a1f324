"""Who is it, and may they use this model? Pure: headers, body and snapshot in, an admission or a refusal out."""

import msgspec

from dwctl.gateway.admission import Admission, Caller
from dwctl.gateway.peeked import Peek
from dwctl.gateway.rules import answering
from dwctl.routing.access import lists, may_infer, may_use
from dwctl.routing.snapshot import Key, Snapshot
from dwctl.wire.errors import Problem, Refused

_CHALLENGE = ((b"www-authenticate", b"Bearer"),)
MAX_MODEL_NAME = 256
"""Characters of an unknown model's name that are repeated to the client."""


def authenticate(snapshot: Snapshot, caller: Caller, now: float) -> Key:
    """The live key that the request carries; `now` in unix seconds."""
    if caller.digest is None:
        raise Refused(_unknown_key("No API key was sent; send it as 'Authorization: Bearer sk-...'."))
    key = snapshot.keys.get(caller.digest)
    if key is None:
        raise Refused(_unknown_key("The API key is not valid."))
    if not may_infer(key, now):
        if key.expires_at is not None and key.expires_at <= now:
            raise Refused(_unknown_key("The API key has expired."))
        raise Refused(_wrong_purpose(key.purpose))
    return key


def admit(snapshot: Snapshot, key: Key, caller: Caller, peeked: Peek) -> Admission:
    """Model, then access, then rules. The header `model-override` goes before the body's `model`."""
    name = peeked.model if caller.override is None else caller.override
    if not name:
        raise Refused(_missing_model())
    model = snapshot.models.get(name)
    if model is None:
        raise Refused(unknown_model(name))
    if not may_use(key, model):
        raise Refused(_no_access(name))
    if key.allowed is not None and not lists(key, model):
        raise Refused(_not_listed(name))
    if model.rules is None and model.targets:
        return Admission(key, model, model, peeked)
    return Admission(key, model, answering(snapshot, key, model), peeked)


def asking_usage(admission: Admission) -> Admission:
    """The admission of a call whose translation asks the upstream for usage by itself."""
    peeked = msgspec.structs.replace(admission.peeked, includes_usage=True, has_stream_options=True)
    return msgspec.structs.replace(admission, peeked=peeked)


def unknown_model(name: str) -> Problem:
    """404; a name that cannot be one is 400."""
    if "\0" in name:
        text = "Invalid 'model': a name cannot contain the character U+0000."
        return Problem(status=400, message=text, param="model", code="invalid_value")
    shown = name if len(name) <= MAX_MODEL_NAME else f"{name[:MAX_MODEL_NAME]}..."
    text = f"The model '{shown}' does not exist."
    return Problem(status=404, message=text, param="model", code="model_not_found")


def _unknown_key(text: str) -> Problem:
    return Problem(status=401, message=text, code="invalid_api_key", headers=_CHALLENGE)


def _wrong_purpose(purpose: str) -> Problem:
    text = (
        f"An API key with the purpose '{purpose}' cannot call models; create one with the purpose 'realtime'."
    )
    return Problem(status=403, message=text, code="forbidden")


def _missing_model() -> Problem:
    text = "Missing required parameter: 'model'. Send it in the body, or in the header 'model-override'."
    return Problem(status=400, message=text, param="model", code="missing_required_parameter")


def _no_access(name: str) -> Problem:
    text = f"You do not have access to '{name}'. Please contact your administrator to request access."
    return Problem(status=403, message=text, param="model", code="forbidden")


def _not_listed(name: str) -> Problem:
    text = f"This API key may not use '{name}'. Its owner has limited it to certain models."
    return Problem(status=403, message=text, param="model", code="forbidden")
