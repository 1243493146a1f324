"""Endpoints in PostgreSQL, and the models that a synchronization makes."""

from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from dwctl.control.endpoints.structs import Endpoint
from dwctl.control.limits import EndpointLimits
from dwctl.core.errors import Conflict
from dwctl.core.seal import Seal
from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries
from dwctl.routing.snapshot import Timeouts


class EndpointRow(msgspec.Struct, kw_only=True):
    """What is written of an endpoint."""

    id: UUID
    name: str
    description: str | None
    url: str
    api_key: str | None
    auth_header_name: str
    auth_header_prefix: str
    model_filter: list[str] | None
    limits: EndpointLimits
    timeouts: Timeouts | None


class KnownModel(msgspec.Struct, frozen=True):
    """A model of an endpoint as it is now."""

    id: UUID
    alias: str
    model_name: str
    status: str
    deleted: bool


class NewModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model to be made."""

    id: UUID
    alias: str
    model_name: str
    display_name: str | None
    description: str | None
    type: str


class EndpointStore:
    """Rows of `endpoints`; those that change models take the transaction of the caller."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self.database = database
        self._seal = seal
        self._sql = Queries.load(__package__)

    async def page(self) -> list[Endpoint]:
        """All endpoints, oldest first."""
        return [_endpoint(row) for row in await self.database.fetch(self._sql["list_endpoints"])]

    async def get(self, endpoint_id: UUID) -> Endpoint | None:
        """One endpoint."""
        row = await self.database.fetch_row(self._sql["get_endpoint"], endpoint_id)
        return None if row is None else _endpoint(row)

    async def by_url(self, url: str) -> UUID | None:
        """The oldest endpoint with an address."""
        found: UUID | None = await self.database.fetch_value(self._sql["find_endpoint_by_url"], url)
        return found

    async def credential(self, endpoint_id: UUID) -> tuple[str, str | None]:
        """Address and key of an endpoint that is there."""
        row: Any = await self.database.fetch_row(self._sql["get_credential"], endpoint_id)
        sealed = row["api_key_sealed"]
        return row["url"], None if sealed is None else self._seal.open(sealed)

    async def create(self, connection: Connection, row: EndpointRow, creator: UUID) -> None:
        """A new endpoint; 409 when the name is taken."""
        try:
            await connection.execute(self._sql["create_endpoint"], *self._values(row), creator)
        except asyncpg.UniqueViolationError as error:
            raise _taken(row.name) from error

    async def update(self, connection: Connection, row: EndpointRow) -> None:
        """Replace everything but id and creator."""
        try:
            await connection.execute(self._sql["update_endpoint"], *self._values(row))
        except asyncpg.UniqueViolationError as error:
            raise _taken(row.name) from error

    async def delete(self, endpoint_id: UUID) -> bool:
        """With its models. Whether there was one."""
        return await self.database.fetch_value(self._sql["delete_endpoint"], endpoint_id) is not None

    async def lock(self, connection: Connection, endpoint_id: UUID) -> bool:
        """Until the transaction ends nobody else changes its models. Whether it is there."""
        return await connection.fetchval(self._sql["lock_endpoint"], endpoint_id) is not None

    async def models(self, connection: Connection, endpoint_id: UUID) -> list[KnownModel]:
        """Its models, deleted ones too."""
        rows = await connection.fetch(self._sql["list_endpoint_models"], endpoint_id)
        return [KnownModel(*row.values()) for row in rows]

    async def taken(self, connection: Connection, aliases: list[str], but_not_by: list[UUID]) -> set[str]:
        """Which aliases other live models have already."""
        rows = await connection.fetch(self._sql["taken_aliases"], aliases, but_not_by)
        return {row["alias"] for row in rows}

    async def create_models(
        self, connection: Connection, endpoint_id: UUID, models: list[NewModel], creator: UUID
    ) -> None:
        """New models of an endpoint; 409 when an alias was taken in the meantime."""
        rows = [
            (m.id, m.alias, m.model_name, m.display_name, m.description, m.type, endpoint_id, creator)
            for m in models
        ]
        try:
            await connection.executemany(self._sql["create_model"], rows)
        except asyncpg.UniqueViolationError as error:
            raise _alias_taken() from error

    async def open_models(
        self, connection: Connection, models: list[UUID], group_id: UUID, granted_by: UUID
    ) -> None:
        """Give a group access to new models."""
        await connection.execute(self._sql["open_models"], models, group_id, granted_by)

    async def set_status(self, connection: Connection, ids: list[UUID], status: str) -> None:
        """`active` or `inactive`."""
        await connection.execute(self._sql["set_model_status"], ids, status)

    async def rename(self, connection: Connection, model_id: UUID, alias: str) -> None:
        """Another alias; 409 when it was taken in the meantime."""
        try:
            await connection.execute(self._sql["rename_model"], model_id, alias)
        except asyncpg.UniqueViolationError as error:
            raise _alias_taken() from error

    def _values(self, row: EndpointRow) -> tuple[object, ...]:
        return (
            row.id,
            row.name,
            row.description,
            row.url,
            None if row.api_key is None else self._seal.seal(row.api_key),
            row.auth_header_name,
            row.auth_header_prefix,
            row.model_filter,
            *msgspec.structs.astuple(row.limits),
            None if row.timeouts is None else msgspec.to_builtins(row.timeouts),
        )


def _endpoint(row: Any) -> Endpoint:
    return Endpoint(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        url=row["url"],
        model_filter=row["model_filter"],
        requires_api_key=row["requires_api_key"],
        auth_header_name=row["auth_header_name"],
        auth_header_prefix=row["auth_header_prefix"],
        timeouts=None if row["timeouts"] is None else msgspec.convert(row["timeouts"], Timeouts),
        created_by=row["created_by"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        **{name: row[name] for name in EndpointLimits.__struct_fields__},
    )


def _alias_taken() -> Conflict:
    return Conflict("An alias was taken in the meantime; try again.", {"resource": "model"})


def _taken(name: str) -> Conflict:
    return Conflict(f"An endpoint with the name '{name}' already exists.", {"resource": "endpoint"})
