"""Components in PostgreSQL."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import asyncpg

from dwctl.control.components.structs import Component, ComponentCreate, ComponentModel, EndpointSummary
from dwctl.core.errors import BadRequest, Conflict
from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries

NESTED = "A composite model consists of standard models: it cannot hold another composite model."


class ComponentStore:
    """Rows of `model_components`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def of_models(self, models: Iterable[UUID]) -> dict[UUID, list[Component]]:
        """The components of composite models, in order."""
        found: defaultdict[UUID, list[Component]] = defaultdict(list)
        for row in await self._database.fetch(self._sql["list_components"], list(models), None):
            found[row["pool_id"]].append(_component(row))
        return found

    async def get(self, model_id: UUID, component_id: UUID) -> Component | None:
        """One component."""
        row = await self._database.fetch_row(self._sql["list_components"], [model_id], component_id)
        return None if row is None else _component(row)

    async def add(self, model_id: UUID, component_id: UUID, wanted: ComponentCreate) -> None:
        """A new component; 409 when it is one already, 400 when it is composite itself."""
        try:
            await self._database.execute(
                self._sql["add_component"],
                new_uuid(),
                model_id,
                component_id,
                wanted.weight,
                wanted.enabled,
                wanted.sort_order,
            )
        except asyncpg.UniqueViolationError as error:
            raise Conflict(f"Model {component_id} is a component already.") from error
        except asyncpg.CheckViolationError as error:
            raise BadRequest(NESTED) from error

    async def update(self, model_id: UUID, component: Component) -> None:
        """Replace what may change."""
        await self._database.execute(
            self._sql["update_component"],
            model_id,
            component.model.id,
            component.weight,
            component.enabled,
            component.sort_order,
        )

    async def remove(self, model_id: UUID, component_id: UUID) -> bool:
        """Whether there was one."""
        removed = await self._database.fetch_value(self._sql["remove_component"], model_id, component_id)
        return removed is not None


def _component(row: Any) -> Component:
    return Component(
        weight=row["weight"],
        enabled=row["enabled"],
        sort_order=row["sort_order"],
        created_at=row["created_at"],
        model=ComponentModel(
            id=row["id"],
            alias=row["alias"],
            model_name=row["model_name"],
            description=row["description"],
            model_type=row["type"],
            endpoint=EndpointSummary(row["endpoint_id"], row["endpoint_name"]),
        ),
    )
