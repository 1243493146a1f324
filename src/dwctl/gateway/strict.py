"""Requests in strict mode: typed routes alone, and bodies that fit their schema (spec/gateway A1.15).

A body that fits goes upstream as its bytes came, so nothing that the schema does not name is lost on the way.
"""

import re

import msgspec

from dwctl.gateway.peek import Peeker
from dwctl.gateway.peeked import Peek
from dwctl.gateway.routes import ROUTES, Route
from dwctl.wire.errors import Problem, Refused
from dwctl.wire.typed_requests import ChatRequest, CompletionRequest, EmbeddingRequest, ResponseRequest

SCHEMAS: dict[str, type[msgspec.Struct]] = {
    "/v1/chat/completions": ChatRequest,
    "/v1/completions": CompletionRequest,
    "/v1/embeddings": EmbeddingRequest,
    "/v1/responses": ResponseRequest,
}
_PLACE = re.compile(r" - at `(?:key in )?\$\.?(.*)`$")
_MISSING = re.compile(r"Object missing required field `(.+)`$")
_NAMES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_WORD = re.compile(r"`([^`]+)`")


def typed_routes() -> dict[bytes, Route]:
    """The routes that strict mode has; everything else is an unknown endpoint."""
    return {path: route for path, route in ROUTES.items() if route.path in SCHEMAS}


def peekers() -> dict[str, Peeker]:
    """A reader of bodies for each typed route, by its path."""
    return {path: _TypedPeeker(schema) for path, schema in SCHEMAS.items()}


class _TypedPeeker(Peeker):
    """Reads only bodies that fit a schema."""

    __slots__ = ("_check",)

    def __init__(self, schema: type[msgspec.Struct]) -> None:
        super().__init__()
        self._check = msgspec.json.Decoder(schema).decode

    def peek(self, body: bytes) -> Peek:
        """Raises `Refused`: 400 for what is no JSON, 422 for what does not fit."""
        try:
            self._check(body)
        except msgspec.ValidationError as error:
            raise Refused(_misfit(str(error))) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            # The plain reader has the words for it; what it lets through is at fault in a place that it skips.
            super().peek(body)
            raise Refused(Problem(status=400, message="The body is not valid JSON.")) from error
        return super().peek(body)


def _misfit(told: str) -> Problem:
    """The reader's message with the field first: "messages[0].role: expected string, got integer"."""
    place = _PLACE.search(told)
    field = place[1] if place else ""
    what = told[: place.start()] if place else told
    absent = _MISSING.search(what)
    if absent:
        field = f"{field}.{absent[1]}" if field else absent[1]
        what = "this field is required"
    what = _WORD.sub(lambda found: _spelled(found[1]), what)
    text = f"Invalid '{field}': {what[:1].lower()}{what[1:]}." if field else f"Invalid body: {what}."
    return Problem(status=422, message=text, param=field or None)


def _spelled(types: str) -> str:
    """Python's names of types as JSON's."""
    return " | ".join(_NAMES.get(name, name) for name in types.split(" | "))
