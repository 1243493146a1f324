"""Tool sources in PostgreSQL, and where they are attached."""

from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from dwctl.control.tools.rows import ToolRow
from dwctl.control.tools.structs import ToolSource
from dwctl.core.errors import Conflict, NotFound
from dwctl.core.seal import Seal
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries


class ToolStore:
    """Rows of `tool_sources`, `model_tool_sources` and `group_tool_sources`."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal
        self._sql = Queries.load(__package__)

    async def page(self) -> list[ToolSource]:
        """All of them, by name."""
        return [_source(row) for row in await self._database.fetch(self._sql["list_tools"])]

    async def get(self, source_id: UUID) -> ToolSource | None:
        """One."""
        row = await self._database.fetch_row(self._sql["get_tool"], source_id)
        return None if row is None else _source(row)

    async def create(self, row: ToolRow, api_key: str | None, creator: UUID) -> None:
        """A new one; 409 when the name is taken."""
        try:
            await self._database.execute(
                self._sql["create_tool"], *msgspec.structs.astuple(row), self._sealed(api_key), creator
            )
        except asyncpg.UniqueViolationError as error:
            raise _taken(row.name) from error

    async def update(self, row: ToolRow, api_key: str | None, *, new_key: bool) -> bool:
        """Replace everything but id and creator; the key if there is a new one. Whether it is there."""
        values = msgspec.structs.astuple(row)
        try:
            found = await self._database.fetch_value(
                self._sql["update_tool"], *values, new_key, self._sealed(api_key)
            )
        except asyncpg.UniqueViolationError as error:
            raise _taken(row.name) from error
        return found is not None

    async def delete(self, source_id: UUID) -> bool:
        """With its attachments. Whether there was one."""
        return await self._database.fetch_value(self._sql["delete_tool"], source_id) is not None

    async def model_with(self, source_id: UUID) -> UUID | None:
        """A model that has the tool."""
        found: UUID | None = await self._database.fetch_value(self._sql["model_with"], source_id)
        return found

    async def attached(self, place: str, place_id: UUID) -> list[ToolSource]:
        """Those of a `model` or a `group`."""
        return [_source(row) for row in await self._database.fetch(self._sql[f"tools_of_{place}"], place_id)]

    async def exists(self, place: str, place_id: UUID) -> bool:
        """Whether there is such a live `model` or `group`."""
        return bool(await self._database.fetch_value(self._sql[f"{place}_exists"], place_id))

    async def attach(self, place: str, place_id: UUID, source_id: UUID) -> bool:
        """Repeatable. Whether it was not so before."""
        try:
            made = await self._database.fetch_value(self._sql[f"attach_to_{place}"], place_id, source_id)
        except asyncpg.ForeignKeyViolationError as error:
            raise NotFound("It was deleted in the meantime") from error
        return made is not None

    async def detach(self, place: str, place_id: UUID, source_id: UUID) -> bool:
        """Repeatable. Whether it was so before."""
        gone = await self._database.fetch_value(self._sql[f"detach_from_{place}"], place_id, source_id)
        return gone is not None

    def _sealed(self, api_key: str | None) -> bytes | None:
        return self._seal.seal(api_key) if api_key else None


def _source(row: Any) -> ToolSource:
    return ToolSource(**{name: row[name] for name in ToolSource.__struct_fields__})


def _taken(name: str) -> Conflict:
    return Conflict(f"A tool source with the name '{name}' already exists.", {"resource": "tool_source"})
