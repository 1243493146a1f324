"""Routes of conversations."""

from collections.abc import Collection
from typing import Any, Literal

from litestar import Router, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody

from dwctl.engine.conversations.actions import ConversationActions
from dwctl.engine.conversations.structs import (
    Conversation,
    ConversationCreate,
    ConversationDeleted,
    ConversationUpdate,
    ItemList,
    ItemsCreate,
)
from dwctl.identity.authenticate import AI_PURPOSES, Authenticator
from dwctl.web.authentication import Who, guard, principal_dependency

DEFAULT_LIMIT = 20


@post("/conversations", status_code=200)
async def create_conversation(
    principal: Who,
    conversations: NamedDependency[ConversationActions],
    data: JSONBody[ConversationCreate],
) -> Conversation:
    """Create a conversation."""
    return await conversations.create(principal, data.metadata, data.items)


@get("/conversations/{conversation_id:str}")
async def get_conversation(
    principal: Who, conversations: NamedDependency[ConversationActions], conversation_id: FromPath[str]
) -> Conversation:
    """Get a conversation."""
    return await conversations.get(principal, conversation_id)


@post("/conversations/{conversation_id:str}", status_code=200)
async def update_conversation(
    principal: Who,
    conversations: NamedDependency[ConversationActions],
    conversation_id: FromPath[str],
    data: JSONBody[ConversationUpdate],
) -> Conversation:
    """Replace the metadata of a conversation."""
    return await conversations.update(principal, conversation_id, data.metadata)


@delete("/conversations/{conversation_id:str}", status_code=200)
async def delete_conversation(
    principal: Who, conversations: NamedDependency[ConversationActions], conversation_id: FromPath[str]
) -> ConversationDeleted:
    """Delete a conversation."""
    return await conversations.delete(principal, conversation_id)


@get("/conversations/{conversation_id:str}/items")
async def list_conversation_items(
    principal: Who,
    conversations: NamedDependency[ConversationActions],
    conversation_id: FromPath[str],
    after: FromQuery[str | None] = None,
    limit: FromQuery[int] = DEFAULT_LIMIT,
    order: FromQuery[Literal["asc", "desc"]] = "desc",
) -> ItemList:
    """List the items of a conversation."""
    return await conversations.page(principal, conversation_id, after, limit, descending=order == "desc")


@post("/conversations/{conversation_id:str}/items", status_code=200)
async def create_conversation_items(
    principal: Who,
    conversations: NamedDependency[ConversationActions],
    conversation_id: FromPath[str],
    data: JSONBody[ItemsCreate],
) -> ItemList:
    """Add items to a conversation."""
    return await conversations.add(principal, conversation_id, data.items)


@get("/conversations/{conversation_id:str}/items/{item_id:str}")
async def get_conversation_item(
    principal: Who,
    conversations: NamedDependency[ConversationActions],
    conversation_id: FromPath[str],
    item_id: FromPath[str],
) -> dict[str, Any]:
    """Get an item of a conversation."""
    return await conversations.item(principal, conversation_id, item_id)


@delete("/conversations/{conversation_id:str}/items/{item_id:str}", status_code=200)
async def delete_conversation_item(
    principal: Who,
    conversations: NamedDependency[ConversationActions],
    conversation_id: FromPath[str],
    item_id: FromPath[str],
) -> Conversation:
    """Take an item out of a conversation."""
    return await conversations.remove(principal, conversation_id, item_id)


def router(actions: ConversationActions, authenticator: Authenticator, origins: Collection[str]) -> Router:
    """All routes of this resource."""
    return Router(
        path="/ai/v1",
        route_handlers=[
            create_conversation,
            get_conversation,
            update_conversation,
            delete_conversation,
            list_conversation_items,
            create_conversation_items,
            get_conversation_item,
            delete_conversation_item,
        ],
        guards=[guard(authenticator, AI_PURPOSES, origins)],
        dependencies={
            **principal_dependency(),
            "conversations": Provide(lambda: actions, sync_to_thread=False),
        },
        include_in_schema=False,
    )
