"""Routes of single responses in the AI API's OpenAPI document."""

from typing import Any

from dwctl.web.document_parts import errors, ok, path_parameter, query_parameter

_ID = path_parameter("response_id", "Such as resp_0199e1c2-…")
_TEXT = {"type": "string"}
_INCLUDE = query_parameter(
    "include[]", "Checked; what is stored is shown anyway", {"type": "array", "items": _TEXT}
)
_OBJECTS = {"type": "array", "items": {"type": "object", "additionalProperties": True}}
_LIST = {
    "object": {"const": "list"},
    "data": _OBJECTS,
    "first_id": {"type": ["string", "null"]},
    "last_id": {"type": ["string", "null"]},
    "has_more": {"type": "boolean"},
}
_DELETED = {"id": _TEXT, "object": {"const": "response"}, "deleted": {"const": True}}
_COMPACT = {
    "model": _TEXT,
    "input": {"anyOf": [_TEXT, _OBJECTS]},
    "previous_response_id": _TEXT,
    "instructions": _TEXT,
    "prompt_cache_key": _TEXT,
}
_COMPACTION = {
    "id": _TEXT,
    "object": {"const": "response.compaction"},
    "created_at": {"type": "integer"},
    "output": _OBJECTS,
    "usage": {"type": "object", "additionalProperties": True},
}
RESPONSE_SCHEMAS = {
    "Compact": {"type": "object", "required": ["model"], "properties": _COMPACT},
    "Compaction": {"type": "object", "required": list(_COMPACTION), "properties": _COMPACTION},
    "ItemList": {"type": "object", "required": list(_LIST), "properties": _LIST},
    "DeletedResponse": {"type": "object", "required": list(_DELETED), "properties": _DELETED},
}


def response_paths() -> dict[str, Any]:
    """By the id of a call."""
    return {
        "/ai/v1/responses/{response_id}": {
            "get": {
                "summary": "Get the stored response of a call",
                "description": "Of any call, by the id that its answer carried: `resp_<id>`. Calls of other "
                "accounts are not found, nor those with `store: false`.",
                "operationId": "getResponse",
                "tags": ["responses"],
                "parameters": [_ID, _INCLUDE],
                "responses": {"200": ok("The response", "Response"), **errors("400", "401", "403", "404")},
            },
            "delete": {
                "summary": "Delete what a call was asked and answered",
                "description": "A queued call is cancelled first. The row stays in the list of calls, the charge "
                "in the ledger.",
                "operationId": "deleteResponse",
                "tags": ["responses"],
                "parameters": [_ID],
                "responses": {
                    "200": ok("It is deleted", "DeletedResponse"),
                    **errors("400", "401", "403", "404"),
                },
            },
        },
        "/ai/v1/responses/compact": {
            "post": {
                "summary": "Sum up a conversation",
                "description": "By one call of the model. The item in the answer stands for the conversation in a "
                "later `input`; only calls of the same account can use it.",
                "operationId": "compactResponse",
                "tags": ["responses"],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Compact"}}},
                },
                "responses": {
                    "200": ok("The summary", "Compaction"),
                    **errors("400", "401", "402", "403", "404", "413", "429", "502", "503", "504"),
                },
            }
        },
        "/ai/v1/responses/{response_id}/cancel": {
            "post": {
                "summary": "Cancel a call that was queued",
                "description": "One that has ended is shown as it is.",
                "operationId": "cancelResponse",
                "tags": ["responses"],
                "parameters": [_ID],
                "responses": {"200": ok("The response", "Response"), **errors("400", "401", "403", "404")},
            }
        },
        "/ai/v1/responses/{response_id}/input_items": {
            "get": {
                "summary": "List what a call was asked",
                "operationId": "listInputItems",
                "tags": ["responses"],
                "parameters": [
                    _ID,
                    query_parameter("after", "Items behind this one", _TEXT),
                    query_parameter("before", "Items in front of this one", _TEXT),
                    query_parameter(
                        "limit", "Items in a page", {"type": "integer", "minimum": 1, "maximum": 100}
                    ),
                    query_parameter("order", "By age; newest first", {"enum": ["asc", "desc"]}),
                    _INCLUDE,
                ],
                "responses": {
                    "200": ok("A page of items", "ItemList"),
                    **errors("400", "401", "403", "404"),
                },
            }
        },
    }
