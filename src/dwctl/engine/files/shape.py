"""What a line must look like, and in which words it does not. Pure.

Words are for the one line that is wrong: they may take their time.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

MAX_CUSTOM_ID = 64
NAME = re.compile(rf"[\x20-\x7e]{{1,{MAX_CUSTOM_ID}}}")

_NOTHING = msgspec.Raw()


class Line(msgspec.Struct, gc=False):
    """A request as it stands in a file."""

    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


class Body(msgspec.Struct, gc=False):
    """What is looked at of its body."""

    model: str
    stream: bool | msgspec.UnsetType | None = msgspec.UNSET
    priority: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    messages: msgspec.Raw = _NOTHING
    input: msgspec.Raw = _NOTHING
    instructions: msgspec.Raw = _NOTHING
    prompt: msgspec.Raw = _NOTHING


def fault_of(
    raw: bytes, line: Line, body: Body, body_size: int, urls: frozenset[str], max_body_bytes: int
) -> str | None:
    """Why a line that can be read is refused; None when it is not."""
    if line.method != "POST":
        return f"method: expected POST, got {_shown(line.method)}"
    if line.url not in urls:
        return f"url: expected one of {', '.join(sorted(urls))}, got {_shown(line.url)}"
    if not NAME.fullmatch(line.custom_id):
        size = len(line.custom_id.encode(errors="replace"))
        if 0 < size <= MAX_CUSTOM_ID:
            return "custom_id: expected ASCII without control characters"
        return f"custom_id: expected 1 to {MAX_CUSTOM_ID} bytes, got {size}"
    if body.stream:
        return "body.stream: expected false or nothing: the answers of a batch are not streamed"
    if not body.model or "\0" in body.model:
        return f"body.model: expected the name of a model, got {_shown(body.model)}"
    if body_size > max_body_bytes:
        return f"body: expected at most {max_body_bytes} bytes, got {body_size}"
    twice = _twice(raw)
    return None if twice is None else f"{twice}: stands there twice; expected once"


class _Pairs(list[tuple[str, Any]]):
    """The fields of an object in their order, with those that stand there twice."""

    def twice(self) -> set[str]:
        names = [name for name, _ in self]
        return {name for name in names if names.count(name) > 1}


def _twice(raw: bytes) -> str | None:
    """A field that something depends on and that stands there twice, of the line or of its body."""
    try:
        line = json.loads(raw, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    found = line.twice() & {"custom_id", "method", "url", "body"}
    if not found:
        found = {f"body.{name}" for name in dict(line)["body"].twice() & {"model", "stream"}}
    return min(found, default=None)


def explain(raw: bytes) -> str:
    """Why a line cannot be read as a request: the field, and what was expected."""
    try:
        line = msgspec.json.decode(raw)
    except RecursionError:
        return "invalid JSON: nested too deeply"
    except msgspec.DecodeError as error:
        return f"invalid JSON: {error}"
    if not isinstance(line, dict):
        return f"expected a JSON object, got {_kind(line)}"
    for name in ("custom_id", "method", "url"):
        if not isinstance(line.get(name), str):
            return f"{name}: expected a string, {_got(line, name)}"
    body = line.get("body")
    if not isinstance(body, dict):
        return f"body: expected an object, {_got(line, 'body')}"
    if not isinstance(body.get("model"), str):
        return f"body.model: expected a string, {_got(body, 'model')}"
    return f"body.stream: expected false or nothing, {_got(body, 'stream')}"


def _got(fields: Mapping[str, Any], name: str) -> str:
    return f"got {_kind(fields[name])}" if name in fields else "but it is not there"


def _kind(value: object) -> str:
    kinds = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "an array"}
    return "null" if value is None else kinds.get(type(value), "an object")


def _shown(text: str) -> str:
    return repr(text[:100])
