"""Routes of inference endpoints (spec/platform §1.8)."""

from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
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
from dwctl.web.authentication import Who


@get("/endpoints")
async def list_endpoints(principal: Who, endpoints: NamedDependency[EndpointActions]) -> list[Endpoint]:
    """List endpoints."""
    return await endpoints.page(principal)


@post("/endpoints")
async def create_endpoint(
    principal: Who, endpoints: NamedDependency[EndpointActions], data: JSONBody[EndpointCreate]
) -> Endpoint:
    """Create an endpoint and import its models."""
    return await endpoints.create(principal, data)


@post("/endpoints/validate", status_code=HTTP_200_OK)
async def validate_endpoint(
    principal: Who, endpoints: NamedDependency[EndpointActions], data: JSONBody[Validate]
) -> Validated:
    """Try an endpoint and list its models; changes nothing."""
    return await endpoints.validate(principal, data)


@get("/endpoints/{endpoint_id:uuid}")
async def get_endpoint(
    principal: Who, endpoints: NamedDependency[EndpointActions], endpoint_id: FromPath[UUID]
) -> Endpoint:
    """Get an endpoint."""
    return await endpoints.get(principal, endpoint_id)


@patch("/endpoints/{endpoint_id:uuid}")
async def update_endpoint(
    principal: Who,
    endpoints: NamedDependency[EndpointActions],
    endpoint_id: FromPath[UUID],
    data: JSONBody[EndpointUpdate],
) -> Endpoint:
    """Change an endpoint."""
    return await endpoints.update(principal, endpoint_id, data)


@delete("/endpoints/{endpoint_id:uuid}")
async def delete_endpoint(
    principal: Who, endpoints: NamedDependency[EndpointActions], endpoint_id: FromPath[UUID]
) -> None:
    """Delete an endpoint and its models."""
    await endpoints.delete(principal, endpoint_id)


@post("/endpoints/{endpoint_id:uuid}/synchronize", status_code=HTTP_200_OK)
async def synchronize_endpoint(
    principal: Who, endpoints: NamedDependency[EndpointActions], endpoint_id: FromPath[UUID]
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
