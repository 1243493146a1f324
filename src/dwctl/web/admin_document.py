"""The admin API's OpenAPI document: the framework's, with errors as `errors.py` really renders them."""

from typing import Any

import msgspec
from litestar import MediaType, Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

_TEXTS = {
    "400": "The request cannot be understood; the text names the field and what was expected",
    "401": "No key and no session that holds",
    "403": "Not allowed",
    "404": "Not there",
}
_CONFLICT = {
    "description": "A name is taken",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Conflict"}}},
}
_CONFLICT_SCHEMA = {
    "type": "object",
    "required": ["message"],
    "properties": {
        "message": {"type": "string"},
        "resource": {"type": "string"},
        "conflicts": {
            "type": "array",
            "items": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    },
}


class AdminDocument(OpenAPIRenderPlugin):
    """Answers with the document."""

    def __init__(self) -> None:
        super().__init__(path="/", media_type=MediaType.JSON)
        self._rendered: bytes | None = None

    def has_path(self, path: str) -> bool:
        """Every path: else the framework adds a route with its own document beneath ours."""
        del path
        return True

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The document as JSON, the same for every request; made once."""
        del request
        if self._rendered is None:
            self._rendered = msgspec.json.encode(with_errors(openapi_schema))
        return self._rendered


def with_errors(document: dict[str, Any]) -> dict[str, Any]:
    """A copy whose operations tell their errors: those of known callers, of names in the path, of bodies."""
    document = msgspec.json.decode(msgspec.json.encode(document))
    for methods in document["paths"].values():
        for method, operation in methods.items():
            operation["summary"] = operation.pop("description", operation["summary"])
            responses = operation["responses"]
            statuses = {"400"} & set(responses)
            if operation.get("security"):
                statuses |= {"401", "403"}
            if any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
                statuses.add("404")
            for status in sorted(statuses):
                responses[status] = _text(_TEXTS[status])
            if method in ("post", "patch") and "requestBody" in operation:
                responses["409"] = _CONFLICT
    document["components"]["schemas"]["Conflict"] = _CONFLICT_SCHEMA
    return document


def _text(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}
