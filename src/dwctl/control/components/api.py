"""Routes of the components of composite models (spec/platform §1.9)."""

from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK

from dwctl.control.components.actions import ComponentActions
from dwctl.control.components.structs import Component, ComponentCreate, ComponentUpdate
from dwctl.web.authentication import Who

_LIST = "/models/{composite_id:uuid}/components"
_ONE = _LIST + "/{component_id:uuid}"


@get(_LIST)
async def list_components(
    principal: Who, components: NamedDependency[ComponentActions], composite_id: FromPath[UUID]
) -> list[Component]:
    """List the components of a composite model, in order."""
    return await components.list(principal, composite_id)


@post(_ONE, status_code=HTTP_200_OK)
async def add_component(
    principal: Who,
    components: NamedDependency[ComponentActions],
    composite_id: FromPath[UUID],
    component_id: FromPath[UUID],
    data: JSONBody[ComponentCreate],
) -> Component:
    """Make a standard model a component of a composite one."""
    return await components.add(principal, composite_id, component_id, data)


@patch(_ONE)
async def update_component(
    principal: Who,
    components: NamedDependency[ComponentActions],
    composite_id: FromPath[UUID],
    component_id: FromPath[UUID],
    data: JSONBody[ComponentUpdate],
) -> Component:
    """Change the weight, the order or the use of a component."""
    return await components.update(principal, composite_id, component_id, data)


@delete(_ONE, status_code=HTTP_200_OK)
async def remove_component(
    principal: Who,
    components: NamedDependency[ComponentActions],
    composite_id: FromPath[UUID],
    component_id: FromPath[UUID],
) -> UUID:
    """Remove a component; the answer is its id. The model itself stays."""
    return await components.remove(principal, composite_id, component_id)


def router(actions: ComponentActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/",
        route_handlers=[list_components, add_component, update_component, remove_component],
        dependencies={"components": Provide(lambda: actions, sync_to_thread=False)},
        tags=["models"],
    )
