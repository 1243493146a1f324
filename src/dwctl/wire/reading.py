"""Reading a client's JSON part by part, so that an error names its place: `messages.2.content.0.source`. Pure."""

import re
from typing import TypeVar

import msgspec

from dwctl.wire.errors import Problem, Refused

_T = TypeVar("_T")
_AT = re.compile(r" - at `(?:key in )?\$([^`]*)`$")
_INDEX = re.compile(r"\[([0-9.]+)\]")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")


def read(decoder: msgspec.json.Decoder[_T], data: bytes, place: str) -> _T:
    """Decode what stands at `place` of the body; raises `Refused` with 400."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), place) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise wrong(place, "expected valid JSON in UTF-8") from error
    except RecursionError as error:
        raise wrong(place, "nested too deeply") from error


def wrong(place: str, text: str, code: str = "invalid_value") -> Refused:
    """400 for what stands at a place; the empty one is the whole body."""
    return Refused(Problem(status=400, message=f"{place or 'body'}: {text}", param=place or None, code=code))


def _invalid(text: str, place: str) -> Refused:
    at = _AT.search(text)
    path = ""
    if at is not None:
        text = text[: at.start()]
        # Of an object's values it says only that it is one of them.
        path = _INDEX.sub(r".\1", at[1].replace("[...]", "")).removeprefix(".")
    code = "invalid_type" if text.startswith("Expected `") and ", got `" in text else "invalid_value"
    missing = _MISSING.match(text)
    if missing is not None:
        path = f"{path}.{missing[1]}" if path else missing[1]
        text, code = "field required", "missing_required_parameter"
    return wrong(".".join(filter(None, (place, path))), text[:1].lower() + text[1:], code)
