"""Organizations in PostgreSQL: rows of `users` and of `organization_members`."""

from typing import Any
from uuid import UUID

import asyncpg
from msgspec import UnsetType

from dwctl.control.organizations.structs import (
    Member,
    MemberRole,
    Organization,
    OrganizationCreate,
    OrganizationUpdate,
)
from dwctl.core.errors import BadRequest, Conflict, NotFound
from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries
from dwctl.web.paging import Window

MOST_OF_ONE = 3
"""Organizations that a person may belong to."""


class OrganizationStore:
    """Every change of members holds the organization's row, so that its last owner cannot be lost to two at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def page(
        self, search: str | None, caller: UUID, window: Window, *, own: bool
    ) -> tuple[list[Organization], int]:
        """A part of them, and how many there are."""
        rows = await self._database.fetch(
            self._sql["list_organizations"], search, caller, own, window.skip, window.limit
        )
        if rows:
            return [_organization(row) for row in rows], rows[0]["total"]
        return [], await self._database.fetch_value(self._sql["count_organizations"], search, caller, own)

    async def get(self, organization_id: UUID, caller: UUID) -> Organization | None:
        """One of them."""
        row = await self._database.fetch_row(self._sql["get_organization"], organization_id, caller)
        return None if row is None else _organization(row)

    async def create(self, wanted: OrganizationCreate, owner: UUID) -> UUID:
        """A new one with its owner; 409 when the name is taken."""
        organization_id = new_uuid()
        try:
            async with self._database.transaction() as connection:
                await self._room_for(connection, owner, "owner_id")
                await connection.execute(
                    self._sql["create_organization"],
                    organization_id,
                    wanted.name.strip(),
                    wanted.email.strip(),
                    wanted.display_name,
                )
                await connection.execute(self._sql["add_member"], organization_id, owner, "owner")
        except asyncpg.UniqueViolationError as error:
            text = "An organization with this name already exists."
            raise Conflict(text, {"resource": "organization"}) from error
        return organization_id

    async def update(self, organization_id: UUID, change: OrganizationUpdate) -> None:
        """Change what is set of its row."""
        email = None if isinstance(change.email, UnsetType) else change.email.strip()
        name = None if isinstance(change.display_name, UnsetType) else change.display_name
        await self._database.execute(
            self._sql["update_organization"],
            organization_id,
            not isinstance(change.display_name, UnsetType),
            name,
            email is not None,
            email,
        )

    async def members(self, organization_id: UUID) -> list[Member]:
        """Who belongs to it, in the order they came."""
        rows = await self._database.fetch(self._sql["list_members"], organization_id)
        return [Member(**dict(row)) for row in rows]

    async def role(self, organization_id: UUID, user_id: UUID) -> MemberRole | None:
        """Somebody's place in it."""
        found: MemberRole | None = await self._database.fetch_value(
            self._sql["get_role"], organization_id, user_id
        )
        return found

    async def add(self, organization_id: UUID, user_id: UUID, role: MemberRole) -> None:
        """A new member."""
        async with self._database.transaction() as connection:
            await self._hold(connection, organization_id)
            await self._room_for(connection, user_id, "user_id")
            if await connection.fetchval(self._sql["add_member"], organization_id, user_id, role) is None:
                raise Conflict("This person belongs to the organization already.", {"resource": "member"})

    async def set_role(self, organization_id: UUID, user_id: UUID, role: MemberRole) -> None:
        """Another place in it."""
        async with self._database.transaction() as connection:
            await self._hold(connection, organization_id)
            await self._spare_last_owner(connection, organization_id, user_id, leaves=role != "owner")
            await connection.execute(self._sql["set_role"], organization_id, user_id, role)

    async def remove(self, organization_id: UUID, user_id: UUID) -> None:
        """A member goes, and with them the keys that they made for it."""
        async with self._database.transaction() as connection:
            await self._hold(connection, organization_id)
            await self._spare_last_owner(connection, organization_id, user_id, leaves=True)
            await connection.execute(self._sql["remove_member"], organization_id, user_id)
            await connection.execute(self._sql["delete_keys_of_member"], organization_id, user_id)

    async def keys_of_member(self, organization_id: UUID, user_id: UUID) -> list[UUID]:
        """Live keys that a member made for it."""
        rows = await self._database.fetch(self._sql["keys_of_member"], organization_id, user_id)
        return [row["id"] for row in rows]

    async def _hold(self, connection: Connection, organization_id: UUID) -> None:
        if await connection.fetchval(self._sql["lock_organization"], organization_id) is None:
            raise missing(organization_id)

    async def _room_for(self, connection: Connection, user_id: UUID, field: str) -> None:
        if await connection.fetchval(self._sql["lock_person"], user_id) is None:
            raise NotFound(f"User with ID {user_id} not found")
        if await connection.fetchval(self._sql["count_of_person"], user_id) >= MOST_OF_ONE:
            raise BadRequest(f"{field}: a person may belong to at most {MOST_OF_ONE} organizations")

    async def _spare_last_owner(
        self, connection: Connection, organization_id: UUID, user_id: UUID, *, leaves: bool
    ) -> None:
        role = await connection.fetchval(self._sql["get_role"], organization_id, user_id)
        if role is None:
            raise NotFound(f"Member with ID {user_id} not found")
        owners = await connection.fetchval(self._sql["count_owners"], organization_id)
        if leaves and role == "owner" and owners == 1:
            raise BadRequest("role: an organization keeps its last owner; make somebody else one first")


def missing(organization_id: UUID) -> NotFound:
    """The answer to whoever may not know of it, too."""
    return NotFound(f"Organization with ID {organization_id} not found")


def _organization(row: Any) -> Organization:
    threshold = row["low_balance_threshold"]
    return Organization(
        id=row["id"],
        name=row["name"],
        email=row["email"],
        display_name=row["display_name"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        member_count=row["member_count"],
        role=row["role"],
        low_balance_threshold=None if threshold is None else float(threshold),
    )
