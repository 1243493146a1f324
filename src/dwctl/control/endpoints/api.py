"""Routes of inference endpoints (spec/platform §1.8)."""

from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import Provide
from litestar.status_codes import HTTP_200_OK

from dwctl.control.endpoints.actions import EndpointActions
from dwctl.control.endpoints.structs import (
    Endpoint,
    EndpointCreate,
    EndpointUpdate,
    Synchronized,
    Validate,
    Validated,
)
from dwctl.identity.principal import Principal


@get("/endpoints")
async def list_endpoints(principal: Principal, endpoints: EndpointActions) -> list[Endpoint]:
    """List endpoints."""
    return await endpoints.page(principal)


@post("/endpoints")
async def create_endpoint(principal: Principal, endpoints: EndpointActions, data: EndpointCreate) -> Endpoint:
    """Create an endpoint and import its models."""
    return await endpoints.create(principal, data)


@post("/endpoints/validate", status_code=HTTP_200_OK)
async def validate_endpoint(principal: Principal, endpoints: EndpointActions, data: Validate) -> Validated:
    """Try an endpoint and list its models; changes nothing."""
    return await endpoints.validate(principal, data)


@get("/endpoints/{endpoint_id:uuid}")
async def get_endpoint(principal: Principal, endpoints: EndpointActions, endpoint_id: UUID) -> Endpoint:
    """Get an endpoint."""
    return await endpoints.get(principal, endpoint_id)


@patch("/endpoints/{endpoint_id:uuid}")
async def update_endpoint(
    principal: Principal, endpoints: EndpointActions, endpoint_id: UUID, data: EndpointUpdate
) -> Endpoint:
    """Change an endpoint."""
    return await endpoints.update(principal, endpoint_id, data)


@delete("/endpoints/{endpoint_id:uuid}")
async def delete_endpoint(principal: Principal, endpoints: EndpointActions, endpoint_id: UUID) -> None:
    """Delete an endpoint and its models."""
    await endpoints.delete(principal, endpoint_id)


@post("/endpoints/{endpoint_id:uuid}/synchronize", status_code=HTTP_200_OK)
async def synchronize_endpoint(
    principal: Principal, endpoints: EndpointActions, endpoint_id: UUID
) -> Synchronized:
    """Import the server's models again."""
    return await endpoints.synchronize(principal, endpoint_id)


def router(actions: EndpointActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/",
        route_handlers=[
            list_endpoints,
            create_endpoint,
            validate_endpoint,
            get_endpoint,
            update_endpoint,
            delete_endpoint,
            synchronize_endpoint,
        ],
        dependencies={"endpoints": Provide(lambda: actions, sync_to_thread=False)},
        tags=["endpoints"],
    )
