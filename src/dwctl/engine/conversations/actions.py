"""What may be done with conversations: everything, by whoever acts for their account, and nothing by anybody else."""

from typing import Any
from uuid import UUID

import msgspec

from dwctl.core.errors import BadRequest, NotFound
from dwctl.core.ids import new_uuid
from dwctl.engine.conversations.store import END, ConversationRow, ConversationStore, Entry
from dwctl.engine.conversations.structs import (
    Conversation,
    ConversationDeleted,
    ItemList,
    items_of,
    list_of,
    metadata_of,
    public_id,
    shown,
)
from dwctl.engine.responses.history import History, conversation_id_of
from dwctl.engine.responses.items import fault_of, response_in
from dwctl.engine.responses.items import shown as items_of_response
from dwctl.identity.principal import Principal

MAX_LIMIT = 100
STEP = 20
"""Entries that are read at a time: each may be a response with large bodies."""
LOOKED_THROUGH = 1000
"""Entries, the newest, among which an item is looked for whose id a model server chose."""
_encode = msgspec.json.encode


class ConversationActions:
    """Rules before rows."""

    def __init__(self, store: ConversationStore, history: History) -> None:
        self._store = store
        self._history = history

    async def create(
        self, who: Principal, metadata: dict[str, Any] | None, items: list[dict[str, Any]] | None
    ) -> Conversation:
        """A new one."""
        conversation_id, kept, added = new_uuid(), metadata_of(metadata), items_of(items)
        await self._store.create(conversation_id, who.owner_id, who.user_id, kept, _named(added))
        return shown(await self._row(who, public_id(conversation_id)))

    async def get(self, who: Principal, text: str) -> Conversation:
        """One."""
        return shown(await self._row(who, text))

    async def update(self, who: Principal, text: str, metadata: dict[str, Any] | None) -> Conversation:
        """With other metadata."""
        row = await self._store.update(_id_of(text), who.owner_id, metadata_of(metadata))
        if row is None:
            raise _missing(text)
        return shown(row)

    async def delete(self, who: Principal, text: str) -> ConversationDeleted:
        """Let it go; the responses in it stay."""
        conversation_id = _id_of(text)
        if not await self._store.delete(conversation_id, who.owner_id):
            raise _missing(text)
        return ConversationDeleted(id=public_id(conversation_id))

    async def add(self, who: Principal, text: str, items: list[dict[str, Any]]) -> ItemList:
        """Items at its end."""
        added = items_of(items)
        if not added:
            raise BadRequest("items: expected at least one", param="items")
        if not await self._store.add(_id_of(text), who.owner_id, _named(added)):
            raise _missing(text)
        return list_of(added)

    async def page(
        self, who: Principal, text: str, after: str | None, limit: int, *, descending: bool
    ) -> ItemList:
        """Some of its items, those of its responses among them."""
        row = await self._row(who, text)
        limit = min(max(1, limit), MAX_LIMIT)
        place = END if descending else 0
        found: list[dict[str, Any]] = []
        if after is not None:
            entry = await self._entry(row.id, after)
            if entry is None:
                raise BadRequest(
                    f"after: expected the id of an item of this conversation, got {after[:100]!r}",
                    param="after",
                )
            found = _behind(await self._items([entry], descending=descending), after)
            place = entry.entry
        while len(found) <= limit:
            entries = await self._step(row.id, place, descending=descending)
            if not entries:
                break
            place = entries[-1].entry
            found += await self._items(entries, descending=descending)
        return list_of(found[:limit], more=len(found) > limit)

    async def item(self, who: Principal, text: str, item_id: str) -> dict[str, Any]:
        """One item."""
        row = await self._row(who, text)
        entry = await self._entry(row.id, item_id)
        for item in [] if entry is None else await self._items([entry]):
            if item["id"] == item_id:
                return item
        raise _no_item(text, item_id)

    async def remove(self, who: Principal, text: str, item_id: str) -> Conversation:
        """Take an item out; of a response's, the response itself keeps it."""
        row = await self._row(who, text)
        entry = await self._entry(row.id, item_id)
        if entry is None or item_id in entry.removed:
            raise _no_item(text, item_id)
        await self._store.remove(row.id, entry, item_id)
        return shown(row)

    async def _row(self, who: Principal, text: str) -> ConversationRow:
        row = await self._store.get(_id_of(text), who.owner_id)
        if row is None:
            raise _missing(text)
        return row

    async def _step(self, conversation_id: UUID, place: int, *, descending: bool) -> list[Entry]:
        if descending:
            return await self._store.newest(conversation_id, place, STEP)
        return await self._store.oldest(conversation_id, place, STEP)

    async def _items(self, entries: list[Entry], *, descending: bool = False) -> list[dict[str, Any]]:
        """Of entries, in their order; of responses that have not ended well there are none."""
        rows = await self._history.rows_of(entries)
        found: list[dict[str, Any]] = []
        for entry in entries:
            row = None if entry.response_id is None else rows.get(entry.response_id)
            if entry.item is not None:
                found.append(msgspec.json.decode(entry.item))
            elif row is not None and fault_of(row) is None:
                items = [item for item in items_of_response(row) if item["id"] not in entry.removed]
                found += reversed(items) if descending else items
        return found

    async def _entry(self, conversation_id: UUID, item_id: str) -> Entry | None:
        """Where an item stands. Only ids that a model server chose have to be looked for."""
        entry = await self._store.item(conversation_id, item_id)
        if entry is not None:
            return entry
        response_id = response_in(item_id)
        place = None if response_id is None else await self._store.place(conversation_id, response_id)
        if place is not None:
            return (await self._store.newest(conversation_id, place + 1, 1))[0]
        place = END
        for _ in range(LOOKED_THROUGH // STEP):
            entries = await self._store.newest(conversation_id, place, STEP)
            for entry in entries:
                if entry.response_id and any(item["id"] == item_id for item in await self._items([entry])):
                    return entry
            if not entries:
                break
            place = entries[-1].entry
        return None


def _named(items: list[dict[str, Any]]) -> list[tuple[str, bytes]]:
    return [(item["id"], _encode(item)) for item in items]


def _behind(items: list[dict[str, Any]], item_id: str) -> list[dict[str, Any]]:
    """Those after one of them."""
    names = [item["id"] for item in items]
    return items[names.index(item_id) + 1 :] if item_id in names else []


def _id_of(text: str) -> UUID:
    found = conversation_id_of(text)
    if found is None:
        raise _missing(text)
    return found


def _missing(text: str) -> NotFound:
    return NotFound(f"Conversation with id '{text[:100]}' not found.")


def _no_item(text: str, item_id: str) -> NotFound:
    return NotFound(f"Item with id '{item_id[:100]}' not found in conversation '{text[:100]}'.")
