"""Parts of which the AI API's OpenAPI document is made."""

from typing import Any

_ERROR = {"$ref": "#/components/schemas/Error"}


def ok(description: str, schema: str) -> dict[str, Any]:
    """An answer in JSON."""
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


_MEANINGS = {
    "400": "The body cannot be understood",
    "401": "No valid API key",
    "402": "The account has no credit",
    "403": "The key may not do this",
    "404": "Not there, or not for this key",
    "408": "The body does not come in time",
    "409": "A response in the conversation is still in progress; Retry-After says when to come again",
    "413": "The body is too large",
    "415": "The body is compressed in a way that is not understood",
    "422": "The body does not fit its schema (strict mode), or lacks a limit that its effort needs",
    "429": "A limit of the key, the model or its server is reached; Retry-After says when to come again",
    "502": "The model's server failed",
    "503": "No new calls are taken for now",
    "504": "The model's server was too slow",
}


def errors(*statuses: str) -> dict[str, Any]:
    """Answers that are errors, in their envelope."""
    return {
        status: {
            "description": _MEANINGS[status],
            "content": {"application/json": {"schema": _ERROR}},
        }
        for status in statuses
    }


def path_parameter(name: str, description: str) -> dict[str, Any]:
    """A part of the path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }


def query_parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """What may stand behind the path."""
    return {"name": name, "in": "query", "description": description, "schema": schema}
