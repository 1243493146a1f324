"""Groups in PostgreSQL."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import UnsetType

from dwctl.control.groups.structs import Group, GroupCreate, GroupModel, GroupUpdate, GroupUser
from dwctl.core.errors import Conflict
from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.web.paging import Window


class GroupStore:
    """Rows of `groups` and its memberships."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def page(self, search: str | None, window: Window) -> tuple[list[Group], int]:
        """A part of the groups, and how many there are."""
        rows = await self._database.fetch(self._sql["list_groups"], search, window.skip, window.limit)
        if rows:
            return [_group(row) for row in rows], rows[0]["total"]
        return [], await self._database.fetch_value(self._sql["count_groups"], search)

    async def get(self, group_id: UUID) -> Group | None:
        """One group."""
        row = await self._database.fetch_row(self._sql["get_group"], group_id)
        return None if row is None else _group(row)

    async def create(self, wanted: GroupCreate, creator: UUID) -> Group:
        """A new group; 409 when the name is taken."""
        try:
            row = await self._database.fetch_row(
                self._sql["create_group"], new_uuid(), wanted.name.strip(), wanted.description, creator
            )
        except asyncpg.UniqueViolationError as error:
            raise _taken(wanted.name) from error
        return _group(row)

    async def update(self, group_id: UUID, change: GroupUpdate) -> Group | None:
        """Change what is set."""
        name = change.name if isinstance(change.name, str) else None
        description = change.description if isinstance(change.description, str) else None
        try:
            row = await self._database.fetch_row(
                self._sql["update_group"],
                group_id,
                name is not None,
                None if name is None else name.strip(),
                not isinstance(change.description, UnsetType),
                description,
            )
        except asyncpg.UniqueViolationError as error:
            raise _taken(str(name)) from error
        return None if row is None else _group(row)

    async def delete(self, group_id: UUID) -> bool:
        """Whether there was one."""
        return await self._database.fetch_value(self._sql["delete_group"], group_id) is not None

    async def touched(self, group_id: UUID) -> tuple[str, str] | None:
        """Noun and id of something that the gateway reads again when the group goes."""
        row = await self._database.fetch_row(self._sql["touched_by"], group_id)
        return None if row is None else (row["noun"], str(row["id"]))

    async def of_users(self, users: Iterable[UUID]) -> dict[UUID, list[Group]]:
        """Everybody's groups, Everyone last."""
        found: defaultdict[UUID, list[Group]] = defaultdict(list)
        for row in await self._database.fetch(self._sql["groups_of_users"], list(users)):
            found[row["user_id"]].append(_group(row))
        return found

    async def of_model(self, model_id: UUID) -> list[UUID]:
        """The groups that may use a model."""
        rows = await self._database.fetch(self._sql["groups_of_model"], model_id)
        return [row["group_id"] for row in rows]

    async def members(self, groups: Iterable[UUID]) -> dict[UUID, list[GroupUser]]:
        """Members by group."""
        found: defaultdict[UUID, list[GroupUser]] = defaultdict(list)
        for row in await self._database.fetch(self._sql["members_of"], list(groups)):
            member = GroupUser(
                row["id"], row["username"], row["email"], row["display_name"], row["avatar_url"]
            )
            found[row["group_id"]].append(member)
        return found

    async def models(self, groups: Iterable[UUID]) -> dict[UUID, list[GroupModel]]:
        """Live models by group."""
        found: defaultdict[UUID, list[GroupModel]] = defaultdict(list)
        for row in await self._database.fetch(self._sql["models_of"], list(groups)):
            model = GroupModel(row["id"], row["alias"], row["model_name"], row["display_name"], row["type"])
            found[row["group_id"]].append(model)
        return found

    async def user_exists(self, user_id: UUID) -> bool:
        """Whether there is a live account."""
        return bool(await self._database.fetch_value(self._sql["user_exists"], user_id))

    async def model_exists(self, model_id: UUID) -> bool:
        """Whether there is a live model."""
        return bool(await self._database.fetch_value(self._sql["model_exists"], model_id))

    async def add_user(self, user_id: UUID, group_id: UUID) -> bool:
        """Repeatable. Whether it was not so before."""
        return await self._database.fetch_value(self._sql["add_user"], user_id, group_id) is not None

    async def remove_user(self, user_id: UUID, group_id: UUID) -> bool:
        """Repeatable. Whether it was so before."""
        return await self._database.fetch_value(self._sql["remove_user"], user_id, group_id) is not None

    async def add_model(self, model_id: UUID, group_id: UUID, granted_by: UUID) -> bool:
        """Repeatable. Whether it was not so before."""
        added = await self._database.fetch_value(self._sql["add_model"], model_id, group_id, granted_by)
        return added is not None

    async def remove_model(self, model_id: UUID, group_id: UUID) -> bool:
        """Repeatable. Whether it was so before."""
        return await self._database.fetch_value(self._sql["remove_model"], model_id, group_id) is not None


def _group(row: Any) -> Group:
    return Group(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        source=row["source"],
    )


def _taken(name: str) -> Conflict:
    return Conflict(f"A group with the name '{name}' already exists.", {"resource": "group"})
