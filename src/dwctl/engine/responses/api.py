"""Routes of stored responses."""

from typing import Any

from litestar import Request, Router, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from dwctl.engine.responses.actions import ResponseActions
from dwctl.engine.responses.paging import check_include, page_of
from dwctl.web.peer import peer_of

Asked = Request[Any, Any, Any]


@get("/responses/{response_id:str}")
async def get_response(
    request: Asked, responses: NamedDependency[ResponseActions], response_id: FromPath[str]
) -> dict[str, Any]:
    """The stored response of a call."""
    check_include(request.query_params.dict())
    return await responses.get(request.headers, response_id, peer_of(request))


@delete("/responses/{response_id:str}", status_code=200)
async def delete_response(
    request: Asked, responses: NamedDependency[ResponseActions], response_id: FromPath[str]
) -> dict[str, Any]:
    """Delete the response of a call, which is cancelled if it is queued."""
    return await responses.delete(request.headers, response_id, peer_of(request))


@post("/responses/{response_id:str}/cancel", status_code=200)
async def cancel_response(
    request: Asked, responses: NamedDependency[ResponseActions], response_id: FromPath[str]
) -> dict[str, Any]:
    """Cancel a call that was queued."""
    return await responses.cancel(request.headers, response_id, peer_of(request))


@get("/responses/{response_id:str}/input_items")
async def list_input_items(
    request: Asked, responses: NamedDependency[ResponseActions], response_id: FromPath[str]
) -> dict[str, Any]:
    """What a call had as its input."""
    page = page_of(request.query_params.dict())
    return await responses.input_items(request.headers, response_id, peer_of(request), page)


def router(actions: ResponseActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/ai/v1",
        route_handlers=[get_response, delete_response, cancel_response, list_input_items],
        dependencies={"responses": Provide(lambda: actions, sync_to_thread=False)},
        include_in_schema=False,
    )
