"""What was wrong with a request, in words: the field, and what was expected."""

import re
from typing import Any

from litestar.exceptions import ValidationException
from litestar.handlers import BaseRouteHandler
from msgspec import inspect

_MISSING = re.compile(r"Object missing required field (?P<name>\S+)")
_STEP = re.compile(r"[A-Za-z_]\w*|\[")
_ENUM = "Invalid enum value"


def validation_text(handler: BaseRouteHandler, error: ValidationException) -> str:
    """`name: expected str, got int; …` for every field that is wrong."""
    extra = error.extra if isinstance(error.extra, list) else []
    told = [_told(handler, _key(handler, entry), str(entry.get("message", ""))) for entry in extra]
    return "; ".join(told) or error.detail


def _key(handler: BaseRouteHandler, entry: dict[str, Any]) -> str | None:
    """Where it is wrong. The framework takes every `data.` out of the path, that of `metadata.a` too: undone here."""
    key: str | None = entry.get("key")
    body = handler.parsed_fn_signature.parameters.get("data")
    if key is None or body is None or entry.get("source") != "body":
        return key
    node = _plain(inspect.type_info(body.annotation))
    fields = [field.encode_name for field in node.fields] if isinstance(node, inspect.StructType) else []
    first = _STEP.search(key)
    if first is not None and first[0] in fields:
        return key
    for field in fields:
        stem = field.removesuffix("data")
        if stem != field and key.startswith(stem):
            return f"{field}.{key.removeprefix(stem)}"
    return key


def _told(handler: BaseRouteHandler, key: str | None, message: str) -> str:
    message = message.replace("`", "")
    if message == "'data'":
        return "body: expected a JSON object, got nothing"
    if missing := _MISSING.fullmatch(message):
        inside = "" if key in (None, "data") else f"{key}."
        return f"{inside}{missing['name']}: expected, but it is not there"
    if message.startswith(_ENUM) and key is not None:
        allowed = ", ".join(map(str, allowed_values(handler, key)))
        return f"{key}: expected one of {allowed}, got{message.removeprefix(_ENUM)}"
    message = message[:1].lower() + message[1:]
    if key == "data":
        # What a body's own check says begins with the field.
        return message if re.match(r"\w+: ", message) else f"body: {message}"
    return f"{key}: {message}" if key else message


def allowed_values(handler: BaseRouteHandler, key: str) -> tuple[Any, ...]:
    """The values of the enumeration at `key`, such as `roles[0]`, of a handler's body or parameters."""
    parameters = handler.parsed_fn_signature.parameters
    steps = _STEP.findall(key)
    if steps and steps[0] in parameters:
        node = inspect.type_info(parameters[steps.pop(0)].annotation)
    elif "data" in parameters:
        node = inspect.type_info(parameters["data"].annotation)
    else:
        return ()
    for step in steps:
        node = _inner(_plain(node), step)
    node = _plain(node)
    return tuple(node.values) if isinstance(node, inspect.LiteralType) else ()


def _plain(node: inspect.Type) -> inspect.Type:
    """Without null, absent and annotations."""
    while isinstance(node, inspect.Metadata):
        node = node.type
    if isinstance(node, inspect.UnionType):
        left = [one for one in node.types if not isinstance(one, inspect.NoneType)]
        return left[0] if len(left) == 1 else node
    return node


def _inner(node: inspect.Type, step: str) -> inspect.Type:
    if step == "[" and isinstance(node, inspect.ListType):
        return node.item_type
    if isinstance(node, inspect.StructType):
        for field in node.fields:
            if field.encode_name == step:
                return field.type
    return inspect.AnyType()
