"""The few fields of a request's body that the gateway decides on, without parsing the rest. Pure."""

import json
from typing import Any

import msgspec

from dwctl.wire.errors import Problem, Refused

DECIDED = ("model", "stream", "stream_options", "background", "service_tier")


class StreamOptions(msgspec.Struct):
    """`stream_options`."""

    include_usage: bool | None = None


class Peek(msgspec.Struct):
    """What is read; wrong types are errors, unknown fields are skipped."""

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    background: bool | None = None
    service_tier: str | None = None


_decode = msgspec.json.Decoder(Peek).decode
_NEEDLES = tuple(f'"{name}"'.encode() for name in DECIDED[:3])


def peek(body: bytes) -> Peek:
    """Read the fields; raises `Refused` with 400 for what cannot be understood."""
    try:
        found = _decode(body)
    except msgspec.ValidationError as error:
        raise Refused(_wrong_type(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(_not_json(body)) from error
    for needle in _NEEDLES:
        if body.count(needle) > 1:
            _refuse_repeated(body)
            break
    else:
        # A key may also be written with escapes, such as "mod\u0065l".
        if b"\\u00" in body:
            _refuse_repeated(body)
    return found


def _refuse_repeated(body: bytes) -> None:
    """The exact check: top-level keys that we decide on must stand there once."""
    outermost: list[tuple[str, Any]] = []

    def remember(pairs: list[tuple[str, Any]]) -> None:
        nonlocal outermost
        outermost = pairs

    json.loads(body, object_pairs_hook=remember)
    seen: set[str] = set()
    for name, _ in outermost:
        if name in DECIDED and name in seen:
            raise Refused(
                Problem(
                    status=400,
                    message=f"The field '{name}' stands in the body twice; send it once.",
                    param=name,
                    code="invalid_value",
                )
            )
        seen.add(name)


def _wrong_type(text: str) -> Problem:
    """msgspec says "Expected `str`, got `int` - at `$.model`"."""
    what, _, at = text.partition(" - at `$")
    field = at.strip("`.") or None
    if field is None:
        return Problem(status=400, message="The body must be a JSON object.", code="invalid_type")
    expected = what[:1].lower() + what[1:].replace("`", "'").replace("'str | null'", "a string")
    return Problem(
        status=400,
        message=f"Invalid type for '{field}': {expected}.",
        param=field,
        code="invalid_type",
    )


def _not_json(body: bytes) -> Problem:
    if not body.strip():
        text = "The body is empty; send a JSON object with the field 'model'."
    else:
        text = "The body is not valid JSON; send a JSON object with the field 'model'."
    return Problem(status=400, message=text)
