"""Bodies and public shapes of conversations."""

from typing import Any, Literal
from uuid import UUID

import msgspec

from dwctl.core.errors import BadRequest
from dwctl.core.ids import new_uuid
from dwctl.engine.conversations.store import ConversationRow
from dwctl.engine.responses.items import normal
from dwctl.web.body import Body
from dwctl.wire.errors import Refused
from dwctl.wire.metadata import metadata_of as checked
from dwctl.wire.typed_requests import Item

MOST_ITEMS = 20
"""Of one request."""


class ConversationCreate(Body, kw_only=True):
    """What a new one begins with."""

    metadata: dict[str, Any] | None = None
    items: list[dict[str, Any]] | None = None


class ConversationUpdate(Body, kw_only=True):
    """What replaces its metadata."""

    metadata: dict[str, Any] | None


class ItemsCreate(Body, kw_only=True):
    """What is added at the end."""

    items: list[dict[str, Any]]


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """The public object."""

    id: str
    object: Literal["conversation"] = "conversation"
    created_at: int
    metadata: dict[str, Any]


class ConversationDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that is gone."""

    id: str
    object: Literal["conversation.deleted"] = "conversation.deleted"
    deleted: bool = True


class ItemList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of items."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


def shown(row: ConversationRow) -> Conversation:
    """The public object of a row."""
    return Conversation(
        id=public_id(row.id), created_at=int(row.created_at.timestamp()), metadata=row.metadata
    )


def public_id(conversation_id: UUID) -> str:
    """`conv_<uuid>`."""
    return f"conv_{conversation_id}"


def list_of(items: list[dict[str, Any]], *, more: bool = False) -> ItemList:
    """A page of these."""
    return ItemList(
        data=items,
        first_id=items[0]["id"] if items else None,
        last_id=items[-1]["id"] if items else None,
        has_more=more,
    )


def metadata_of(given: dict[str, Any] | None) -> dict[str, str]:
    """What is kept; raises `BadRequest`."""
    try:
        return checked(given)
    except Refused as refusal:
        problem = refusal.problem
        raise BadRequest(problem.message, param=problem.param, code=problem.code) from refusal


def items_of(given: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Items with ids of ours; raises `BadRequest` for what is none."""
    items = given or []
    if len(items) > MOST_ITEMS:
        raise BadRequest(f"items: expected at most {MOST_ITEMS} at a time, got {len(items)}", param="items")
    found = []
    for index, item in enumerate(items):
        place = f"items[{index}]"
        try:
            msgspec.convert(item, Item)
        except msgspec.ValidationError as error:
            raise BadRequest(f"{place}: {error}", param=place, code="invalid_value") from error
        if item.get("type") == "item_reference":
            raise BadRequest(f"{place}: expected an item, got a reference to one", param=place)
        bare = {name: value for name, value in item.items() if name != "id"}
        found.append(normal(msgspec.Raw(msgspec.json.encode(bare)), new_uuid()))
    return found
