"""What may be done with the components of composite models (spec/platform §1.9, §4.3)."""

from uuid import UUID

import msgspec
from msgspec import UnsetType

from dwctl.control.components.store import NESTED, ComponentStore
from dwctl.control.components.structs import Component, ComponentCreate, ComponentUpdate
from dwctl.control.models.store import ModelStore
from dwctl.control.models.structs import Model
from dwctl.core.errors import BadRequest, NotFound
from dwctl.identity.permissions import Operation, Resource, require
from dwctl.identity.principal import Principal
from dwctl.routing.change import Propagation


class ComponentActions:
    """Rules before rows."""

    def __init__(self, store: ComponentStore, models: ModelStore, propagation: Propagation) -> None:
        self._store = store
        self._models = models
        self._propagation = propagation

    async def list(self, who: Principal, model_id: UUID) -> list[Component]:
        """The components in order; a standard model has none."""
        require(who, Resource.COMPOSITE_MODELS, Operation.READ)
        await self._model(model_id)
        return (await self._store.of_models([model_id])).get(model_id, [])

    async def add(
        self, who: Principal, model_id: UUID, component_id: UUID, wanted: ComponentCreate
    ) -> Component:
        """A standard model becomes part of a composite one."""
        require(who, Resource.COMPOSITE_MODELS, Operation.UPDATE)
        if not (await self._model(model_id)).is_composite:
            raise BadRequest(f"Model {model_id} is a standard model; only composite models have components.")
        if (await self._model(component_id)).is_composite:
            raise BadRequest(NESTED)
        async with self._propagation.confirm("models", str(model_id)):
            await self._store.add(model_id, component_id, wanted)
        return await self._component(model_id, component_id)

    async def update(
        self, who: Principal, model_id: UUID, component_id: UUID, change: ComponentUpdate
    ) -> Component:
        """Change a component."""
        require(who, Resource.COMPOSITE_MODELS, Operation.UPDATE)
        await self._model(model_id)
        current = await self._component(model_id, component_id)
        given = {
            name: value
            for name, value in msgspec.structs.asdict(change).items()
            if not isinstance(value, UnsetType)
        }
        changed = msgspec.structs.replace(current, **given)
        async with self._propagation.confirm("models", str(model_id)) as confirmed:
            await self._store.update(model_id, changed)
            confirmed.made = changed != current
        return await self._component(model_id, component_id)

    async def remove(self, who: Principal, model_id: UUID, component_id: UUID) -> UUID:
        """A model is no longer part of a composite one."""
        require(who, Resource.COMPOSITE_MODELS, Operation.UPDATE)
        await self._model(model_id)
        async with self._propagation.confirm("models", str(model_id)) as change:
            change.made = await self._store.remove(model_id, component_id)
            if not change.made:
                raise _no_component(model_id, component_id)
        return component_id

    async def _model(self, model_id: UUID) -> Model:
        model = await self._models.get(model_id)
        if model is None or model.deleted:
            raise NotFound(f"Model with ID {model_id} not found")
        return model

    async def _component(self, model_id: UUID, component_id: UUID) -> Component:
        component = await self._store.get(model_id, component_id)
        if component is None:
            raise _no_component(model_id, component_id)
        return component


def _no_component(model_id: UUID, component_id: UUID) -> NotFound:
    return NotFound(f"Model {component_id} is no component of model {model_id}")
