"""Conversations in the AI API's OpenAPI document."""

from typing import Any

from dwctl.web.document_parts import errors, ok, path_parameter, query_parameter

_TEXT = {"type": "string"}
_NULLABLE = {"type": ["string", "null"]}
_METADATA = {
    "type": "object",
    "maxProperties": 16,
    "additionalProperties": {"type": "string", "maxLength": 512},
}
_ITEM = {"$ref": "#/components/schemas/ConversationItem"}
_ITEMS = {"type": "array", "maxItems": 20, "items": _ITEM}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


CONVERSATION_SCHEMAS = {
    "Conversation": _object(
        {
            "id": _TEXT,
            "object": {"const": "conversation"},
            "created_at": {"type": "integer", "description": "Unix seconds"},
            "metadata": _METADATA,
        }
    ),
    "ConversationCreate": {"type": "object", "properties": {"metadata": _METADATA, "items": _ITEMS}},
    "ConversationUpdate": _object({"metadata": _METADATA}),
    "ConversationDeleted": _object(
        {"id": _TEXT, "object": {"const": "conversation.deleted"}, "deleted": {"const": True}}
    ),
    "ConversationItem": {
        "type": "object",
        "description": "A message, a function's call or its output, reasoning: as in `input` and `output`.",
        "additionalProperties": True,
    },
    "ConversationItemsCreate": _object({"items": _ITEMS}),
    "ConversationItemList": _object(
        {
            "object": {"const": "list"},
            "data": {"type": "array", "items": _ITEM},
            "first_id": _NULLABLE,
            "last_id": _NULLABLE,
            "has_more": {"type": "boolean"},
        }
    ),
}


def conversation_paths() -> dict[str, Any]:
    """Their routes."""
    one = path_parameter("conversation_id", "conv_<uuid>")
    item = path_parameter("item_id", "Such as msg_<uuid>")
    after = query_parameter("after", "The id of the item after which the page begins", _TEXT)
    limit = query_parameter("limit", "At most 100", {"type": "integer", "default": 20})
    order = query_parameter("order", "By their place", {"enum": ["asc", "desc"], "default": "desc"})
    base = "/ai/v1/conversations"
    return {
        base: {"post": _operation("Create a conversation", "createConversation", body="ConversationCreate")},
        f"{base}/{{conversation_id}}": {
            "get": _operation("Get a conversation", "getConversation", one),
            "post": _operation(
                "Replace the metadata of a conversation", "updateConversation", one, body="ConversationUpdate"
            ),
            "delete": _operation(
                "Delete a conversation",
                "deleteConversation",
                one,
                schema="ConversationDeleted",
                more="The responses in it stay.",
            ),
        },
        f"{base}/{{conversation_id}}/items": {
            "get": _operation(
                "List the items of a conversation",
                "listConversationItems",
                *(one, after, limit, order),
                schema="ConversationItemList",
                more="Of a response in it: what it was asked and what it answered, once it has ended well.",
            ),
            "post": _operation(
                "Add items to a conversation",
                "createConversationItems",
                one,
                schema="ConversationItemList",
                body="ConversationItemsCreate",
            ),
        },
        f"{base}/{{conversation_id}}/items/{{item_id}}": {
            "get": _operation(
                "Get an item of a conversation", "getConversationItem", one, item, schema="ConversationItem"
            ),
            "delete": _operation(
                "Take an item out of a conversation",
                "deleteConversationItem",
                *(one, item),
                more="An item of a response stays in the response.",
            ),
        },
    }


def with_context(create: dict[str, Any]) -> dict[str, Any]:
    """The route that creates a response, with what it may go on from."""
    operation = create["post"]
    operation["description"] = (
        "With `previous_response_id` or `conversation`, the model's server gets everything that was said before, "
        "followed by `input`; `instructions` of earlier calls are not part of it. Files and items of the account may "
        "be named by their ids."
    )
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    schema["properties"] |= {
        "previous_response_id": {
            "type": ["string", "null"],
            "description": "A response that has ended well.",
        },
        "conversation": {
            "description": "The id of a conversation; the response becomes part of it.",
            "anyOf": [
                {"type": "string"},
                {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
                {"type": "null"},
            ],
        },
    }
    operation["responses"] |= errors("409")
    return create


def _operation(
    summary: str,
    operation_id: str,
    *parameters: dict[str, Any],
    schema: str = "Conversation",
    body: str | None = None,
    more: str | None = None,
) -> dict[str, Any]:
    statuses = ["401"]
    found: dict[str, Any] = {"summary": summary, "operationId": operation_id, "tags": ["conversations"]}
    if more is not None:
        found["description"] = more
    if parameters:
        found["parameters"] = list(parameters)
        statuses.append("404")
    if body is not None:
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{body}"}}}
        found["requestBody"] = {"required": True, "content": content}
    if body is not None or len(parameters) > 2:
        statuses.insert(0, "400")
    found["responses"] = {"200": ok("As it is now", schema), **errors(*statuses)}
    return found
