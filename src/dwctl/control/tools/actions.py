"""What may be done with tool sources (spec/platform §1.13)."""

from contextlib import AsyncExitStack
from typing import Literal
from uuid import UUID

from msgspec import UnsetType

from dwctl.control.endpoints.discovery import check_allowed
from dwctl.control.tools.rows import changed_row, new_row
from dwctl.control.tools.store import ToolStore
from dwctl.control.tools.structs import ToolSource, ToolSourceCreate, ToolSourceUpdate
from dwctl.core.dial import Dialer
from dwctl.core.errors import BadRequest, NotFound
from dwctl.identity.permissions import Operation, Resource, require
from dwctl.identity.principal import NIL, Principal
from dwctl.routing.change import Change, Propagation

Place = Literal["model", "group"]


class ToolActions:
    """Rules before rows. What changes is known to the gateway here when it is answered."""

    def __init__(self, store: ToolStore, propagation: Propagation, dialer: Dialer) -> None:
        self._store = store
        self._propagation = propagation
        self._dialer = dialer

    async def page(self, who: Principal) -> list[ToolSource]:
        """All of them."""
        require(who, Resource.TOOL_SOURCES, Operation.READ)
        return await self._store.page()

    async def get(self, who: Principal, source_id: UUID) -> ToolSource:
        """One."""
        require(who, Resource.TOOL_SOURCES, Operation.READ)
        return await self._show(source_id)

    async def create(self, who: Principal, wanted: ToolSourceCreate) -> ToolSource:
        """A new one, which nobody has yet."""
        require(who, Resource.TOOL_SOURCES, Operation.CREATE)
        row = new_row(wanted)
        await check_allowed(row.url, self._dialer)
        await self._store.create(row, wanted.api_key, who.user_id)
        return await self._show(row.id)

    async def update(self, who: Principal, source_id: UUID, change: ToolSourceUpdate) -> ToolSource:
        """Change what is set."""
        require(who, Resource.TOOL_SOURCES, Operation.UPDATE)
        row = changed_row(await self._show(source_id), change)
        if not isinstance(change.url, UnsetType):
            await check_allowed(row.url, self._dialer)
        key, new_key = change.api_key, not isinstance(change.api_key, UnsetType)
        async with AsyncExitStack() as stack:
            await self._confirmed(stack, source_id)
            if not await self._store.update(
                row, None if isinstance(key, UnsetType) else key, new_key=new_key
            ):
                raise _missing(source_id)
        return await self._show(source_id)

    async def delete(self, who: Principal, source_id: UUID) -> None:
        """The source; models and groups have it no more."""
        require(who, Resource.TOOL_SOURCES, Operation.DELETE)
        async with AsyncExitStack() as stack:
            await self._confirmed(stack, source_id)
            if not await self._store.delete(source_id):
                raise _missing(source_id)

    async def attached(self, who: Principal, place: Place, place_id: UUID) -> list[ToolSource]:
        """Those of a model or a group."""
        require(who, Resource.TOOL_SOURCES, Operation.READ)
        await self._need(place, place_id)
        return await self._store.attached(place, place_id)

    async def attach(self, who: Principal, place: Place, place_id: UUID, source_id: UUID) -> None:
        """Give it to a model or a group; repeatable."""
        require(who, Resource.TOOL_SOURCES, Operation.UPDATE)
        await self._need(place, place_id)
        if place == "group" and place_id == NIL:
            raise BadRequest("The group Everyone gives nobody a tool; attach it to a group of its own")
        await self._show(source_id)
        async with AsyncExitStack() as stack:
            change = await self._confirmed(stack, source_id, place_id if place == "model" else None)
            change.made = await self._store.attach(place, place_id, source_id)

    async def detach(self, who: Principal, place: Place, place_id: UUID, source_id: UUID) -> None:
        """Take it away again; repeatable."""
        require(who, Resource.TOOL_SOURCES, Operation.UPDATE)
        await self._need(place, place_id)
        async with AsyncExitStack() as stack:
            change = await self._confirmed(stack, source_id, place_id if place == "model" else None)
            change.made = await self._store.detach(place, place_id, source_id)

    async def _confirmed(
        self, stack: AsyncExitStack, source_id: UUID, model_id: UUID | None = None
    ) -> Change:
        """Around a transaction. Whatever it touches is in one: one model's name stands for all of them."""
        touched = model_id or await self._store.model_with(source_id)
        if touched is None:
            return Change()
        return await stack.enter_async_context(self._propagation.confirm("models", str(touched)))

    async def _show(self, source_id: UUID) -> ToolSource:
        source = await self._store.get(source_id)
        if source is None:
            raise _missing(source_id)
        return source

    async def _need(self, place: Place, place_id: UUID) -> None:
        if not await self._store.exists(place, place_id):
            raise NotFound(f"{place.capitalize()} with ID {place_id} not found")


def _missing(source_id: UUID) -> NotFound:
    return NotFound(f"Tool source with ID {source_id} not found")
