"""Conversations in PostgreSQL. Every method is one transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries

END = 2**62
"""Behind every entry."""


class ConversationRow(msgspec.Struct, frozen=True):
    """A conversation."""

    id: UUID
    metadata: dict[str, Any]
    last_entry: int
    created_at: datetime


class Entry(msgspec.Struct, frozen=True):
    """What stands in one place of a conversation: an item, or a response."""

    entry: int
    item_id: str | None
    item: bytes | None
    response_id: UUID | None
    removed: list[str]
    """Ids of the response's items that are not shown any more."""
    created_at: datetime


class ConversationStore:
    """Rows of conversations and what is in them; entries are read without asking whose they are."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def create(
        self,
        conversation_id: UUID,
        owner_id: UUID,
        creator_id: UUID,
        metadata: dict[str, str],
        items: Sequence[tuple[str, bytes]],
    ) -> None:
        """A new one; items are ids and JSON."""
        async with self._database.transaction() as connection:
            await connection.execute(
                self._sql["insert_conversation"], conversation_id, owner_id, creator_id, metadata
            )
            await self._add(connection, conversation_id, owner_id, items)

    async def get(self, conversation_id: UUID, owner_id: UUID) -> ConversationRow | None:
        """One of an account's."""
        row = await self._database.fetch_row(self._sql["get_conversation"], conversation_id, owner_id)
        return None if row is None else ConversationRow(*row.values())

    async def update(
        self, conversation_id: UUID, owner_id: UUID, metadata: dict[str, str]
    ) -> ConversationRow | None:
        """Other metadata."""
        row = await self._database.fetch_row(
            self._sql["update_conversation"], conversation_id, owner_id, metadata
        )
        return None if row is None else ConversationRow(*row.values())

    async def delete(self, conversation_id: UUID, owner_id: UUID) -> bool:
        """Let it go; whether there was one."""
        found = await self._database.fetch_value(self._sql["delete_conversation"], conversation_id, owner_id)
        return found is not None

    async def add(self, conversation_id: UUID, owner_id: UUID, items: Sequence[tuple[str, bytes]]) -> bool:
        """Items at the end; whether there is such a conversation."""
        async with self._database.transaction() as connection:
            return await self._add(connection, conversation_id, owner_id, items)

    async def _add(
        self,
        connection: Connection,
        conversation_id: UUID,
        owner_id: UUID,
        items: Sequence[tuple[str, bytes]],
    ) -> bool:
        last = await connection.fetchval(self._sql["make_room"], conversation_id, owner_id, len(items))
        if last is None:
            return False
        names, values = [name for name, _ in items], [value for _, value in items]
        await connection.execute(self._sql["add_items"], conversation_id, names, values, last - len(items))
        return True

    # Responses

    async def enter(self, conversation_id: UUID, owner_id: UUID, response_id: UUID, last: int) -> int | None:
        """A response is the next entry, unless something was added behind the entry `last`; its number."""
        entry: int | None = await self._database.fetch_value(
            self._sql["enter_response"], conversation_id, owner_id, response_id, last
        )
        return entry

    async def leave(self, conversation_id: UUID, response_id: UUID) -> None:
        """A call that did not begin has no place."""
        await self._database.execute(self._sql["leave_response"], conversation_id, response_id)

    async def place(self, conversation_id: UUID, response_id: UUID) -> int | None:
        """The entry of a response."""
        entry: int | None = await self._database.fetch_value(
            self._sql["entry_of_response"], conversation_id, response_id
        )
        return entry

    # What is in them

    async def newest(self, conversation_id: UUID, before: int, most: int) -> list[Entry]:
        """Entries before one, the newest first."""
        rows = await self._database.fetch(self._sql["newest_entries"], conversation_id, before, most)
        return [Entry(*row.values()) for row in rows]

    async def oldest(self, conversation_id: UUID, after: int, most: int) -> list[Entry]:
        """Entries behind one, the oldest first."""
        rows = await self._database.fetch(self._sql["oldest_entries"], conversation_id, after, most)
        return [Entry(*row.values()) for row in rows]

    async def bytes_of(self, conversation_id: UUID, before: int) -> int:
        """What its items take, before anybody reads them."""
        found: int = await self._database.fetch_value(self._sql["bytes_of_items"], conversation_id, before)
        return found

    async def item(self, conversation_id: UUID, item_id: str) -> Entry | None:
        """The entry of an item that somebody put there."""
        row = await self._database.fetch_row(self._sql["entry_of_item"], conversation_id, item_id)
        return None if row is None else Entry(*row.values())

    async def item_of_account(self, item_id: str, owner_id: UUID) -> bytes | None:
        """An item of any conversation of an account."""
        item: bytes | None = await self._database.fetch_value(self._sql["item_of_account"], item_id, owner_id)
        return item

    async def remove(self, conversation_id: UUID, entry: Entry, item_id: str) -> None:
        """Take one item out."""
        if entry.response_id is None:
            await self._database.execute(self._sql["remove_item"], conversation_id, entry.entry)
        else:
            await self._database.execute(
                self._sql["remove_of_response"], conversation_id, entry.entry, item_id
            )

    # Going

    async def clear_lost(self, most: int) -> int:
        """Entries whose responses are gone for good; how many."""
        done = await self._database.execute(self._sql["clear_lost"], most)
        return int(done.rpartition(" ")[2])

    async def clear_unbegun(self, conversation_id: UUID, seconds: float) -> None:
        """Entries of calls that never began."""
        await self._database.execute(self._sql["clear_unbegun"], conversation_id, seconds)
