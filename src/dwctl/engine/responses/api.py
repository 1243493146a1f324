"""Routes of stored responses."""

from typing import Any

from litestar import Request, Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from dwctl.engine.responses.actions import ResponseActions
from dwctl.web.peer import peer_of


@get("/responses/{response_id:str}")
async def get_response(
    request: Request[Any, Any, Any], responses: NamedDependency[ResponseActions], response_id: FromPath[str]
) -> dict[str, Any]:
    """The stored response of a call."""
    return await responses.get(request.headers, response_id, peer_of(request))


def router(actions: ResponseActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/ai/v1",
        route_handlers=[get_response],
        dependencies={"responses": Provide(lambda: actions, sync_to_thread=False)},
        include_in_schema=False,
    )
