"""Models in PostgreSQL."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec import UNSET

from dwctl.control.limits import ModelLimits
from dwctl.control.models.structs import Facets, GroupSummary, Metadata, Model
from dwctl.control.models.tariffs import TariffRow, TariffStore
from dwctl.core.errors import Conflict
from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries
from dwctl.routing.pool import Fallback, Strategy
from dwctl.web.paging import Window


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of models is narrowed to; None does not narrow."""

    accessible_to: UUID | None = None
    endpoint: UUID | None = None
    groups: list[UUID] | None = None
    search: str | None = None
    type: str | None = None
    capability: str | None = None
    provider: str | None = None
    composite: bool | None = None
    deleted: bool = False
    status: str | None = None
    sort: str = "created_at"
    order: str = "desc"


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is written of a model."""

    id: UUID
    alias: str
    display_name: str | None
    description: str | None
    type: str
    capabilities: list[str]
    metadata: Metadata | dict[str, Any] | None
    limits: ModelLimits
    is_composite: bool = False
    lb_strategy: Strategy = "weighted_random"
    fallback: Fallback | None = None
    response_headers: dict[str, str] | None = None
    sanitize_responses: bool = False
    trusted: bool = False
    open_responses_adapter: bool | None = None
    chat_completions_adapter: bool = False
    reasoning_translation: dict[str, Any] | None = None
    windows: list[str] | None = None
    """Completion windows of its batches; None for all that are configured."""


class ModelStore:
    """Rows of `models`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)
        self._tariffs = TariffStore(database)

    async def page(self, wanted: Filter, window: Window) -> tuple[list[Model], int]:
        """A part of the models, and how many there are."""
        arguments = (
            wanted.accessible_to,
            wanted.endpoint,
            wanted.groups,
            wanted.search,
            wanted.type,
            wanted.capability,
            wanted.deleted,
            wanted.status,
            wanted.sort,
            wanted.order == "desc",
            wanted.provider,
            wanted.composite,
        )
        sql = self._sql["list_models"]
        rows = await self._database.fetch(sql, *arguments, window.skip, window.limit)
        if rows:
            return [_model(row) for row in rows], rows[0]["total"]
        first = await self._database.fetch_row(sql, *arguments, 0, 1)
        return [], 0 if first is None else first["total"]

    async def facets(self, accessible_to: UUID | None, status: str | None) -> Facets:
        """What live models can be narrowed to: all, or those of an account or a status."""
        row: Any = await self._database.fetch_row(self._sql["facets"], accessible_to, status)
        return Facets(
            providers=row["providers"] or [],
            capabilities=row["capabilities"] or [],
            model_types=row["model_types"] or [],
        )

    async def get(self, model_id: UUID) -> Model | None:
        """One model, deleted or not."""
        row = await self._database.fetch_row(self._sql["get_model"], model_id)
        return None if row is None else _model(row)

    async def may_use(self, model_id: UUID, user_id: UUID) -> bool:
        """Whether an account shares a group with a model."""
        return bool(await self._database.fetch_value(self._sql["may_use"], model_id, user_id))

    async def groups(self, models: Iterable[UUID]) -> dict[UUID, list[GroupSummary]]:
        """The groups of models."""
        found: defaultdict[UUID, list[GroupSummary]] = defaultdict(list)
        for row in await self._database.fetch(self._sql["groups_of_models"], list(models)):
            found[row["model_id"]].append(GroupSummary(row["id"], row["name"], row["description"]))
        return found

    async def create(
        self,
        row: ModelRow,
        model_name: str,
        endpoint: UUID | None,
        creator: UUID,
        tariffs: Iterable[TariffRow] = (),
    ) -> None:
        """A new model, on an endpoint unless it is composite; 409 when the alias is taken.

        With its tariffs: at no moment is a priced model free.
        """
        try:
            async with self._database.transaction() as connection:
                await self._create(connection, row, model_name, endpoint, creator)
                await self._tariffs.create(connection, row.id, tariffs)
        except asyncpg.UniqueViolationError as error:
            raise _taken(row.alias) from error

    async def _create(
        self, connection: Connection, row: ModelRow, model_name: str, endpoint: UUID | None, creator: UUID
    ) -> None:
        await connection.execute(
            self._sql["create_model"],
            row.id,
            row.alias,
            model_name,
            row.display_name,
            row.description,
            row.type,
            row.capabilities,
            endpoint,
            row.metadata,
            creator,
            row.is_composite,
            row.lb_strategy,
            row.fallback,
            row.response_headers,
            *msgspec.structs.astuple(row.limits),
            row.sanitize_responses,
            row.trusted,
            row.open_responses_adapter,
            row.chat_completions_adapter,
            row.reasoning_translation,
            row.windows,
        )

    @asynccontextmanager
    async def held(self, model_id: UUID) -> AsyncIterator[tuple[Connection, Model | None]]:
        """A model as it stands while nobody else changes it; what the connection is used for is done whole or not."""
        async with self._database.transaction() as connection:
            await connection.fetchval(self._sql["lock_model"], model_id)
            row = await connection.fetchrow(self._sql["get_model"], model_id)
            yield connection, None if row is None else _model(row)

    async def update(self, connection: Connection, row: ModelRow) -> None:
        """Replace what may change of a model that the connection holds; 409 when the alias is taken."""
        try:
            await connection.execute(
                self._sql["update_model"],
                row.id,
                row.alias,
                row.display_name,
                row.description,
                row.type,
                row.capabilities,
                row.metadata,
                row.lb_strategy,
                row.fallback,
                row.response_headers,
                *msgspec.structs.astuple(row.limits),
                row.sanitize_responses,
                row.trusted,
                row.open_responses_adapter,
                row.chat_completions_adapter,
                row.reasoning_translation,
                row.windows,
            )
        except asyncpg.UniqueViolationError as error:
            raise _taken(row.alias) from error

    async def delete(self, model_id: UUID) -> bool:
        """Delete softly. Whether there was a live one."""
        return await self._database.fetch_value(self._sql["delete_model"], model_id) is not None


def _model(row: Any) -> Model:
    composite: bool = row["is_composite"]
    return Model(
        id=row["id"],
        model_name=row["model_name"],
        alias=row["alias"],
        display_name=row["display_name"],
        description=row["description"],
        model_type=row["type"],
        capabilities=row["capabilities"],
        hosted_on=row["endpoint_id"],
        active=row["status"] == "active",
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        last_sync=row["last_sync"],
        deleted=row["deleted"],
        metadata=row["metadata"],
        reasoning_translation=row["reasoning_translation"],
        created_by=row["created_by"],
        is_composite=composite,
        lb_strategy=row["lb_strategy"] if composite else UNSET,
        fallback=msgspec.convert(row["fallback"] or {}, Fallback) if composite else UNSET,
        response_headers=UNSET if row["response_headers"] is None else row["response_headers"],
        **{name: row[name] for name in ModelLimits.__struct_fields__},
        allowed_batch_completion_windows=row["allowed_batch_completion_windows"],
        sanitize_responses=row["sanitize_responses"],
        trusted=row["trusted"],
        open_responses_adapter=row["open_responses_adapter"],
        chat_completions_adapter=row["chat_completions_adapter"],
    )


def _taken(alias: str) -> Conflict:
    conflicts = [{"attempted_alias": alias}]
    return Conflict(f"The alias '{alias}' is taken.", {"resource": "model", "conflicts": conflicts})
