"""Routes of stored responses."""

import re
from collections.abc import Mapping
from typing import Any

from litestar import Request, Response, Router, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from dwctl.core.errors import BadRequest
from dwctl.engine.responses.actions import ResponseActions
from dwctl.engine.responses.paging import check_include, page_of
from dwctl.engine.responses.sse_reply import EventsReply
from dwctl.engine.responses.streams import BEFORE
from dwctl.web.peer import peer_of

Asked = Request[Any, Any, Any]

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


@get("/responses/{response_id:str}")
async def get_response(
    request: Asked, responses: NamedDependency[ResponseActions], response_id: FromPath[str]
) -> Response[Any]:
    """The stored response of a call, or with `stream=true` its events."""
    check_include(request.query_params.dict())
    wanted = wanted_events(request.query_params)
    if wanted is None:
        return Response(await responses.get(request.headers, response_id, peer_of(request)))
    return EventsReply(await responses.stream(request.headers, response_id, peer_of(request), wanted))


def wanted_events(query: Mapping[str, Any]) -> int | None:
    """Behind which number events are wanted; None for the response as it stands."""
    stream = query.get("stream", "false")
    if stream not in _BOOLEANS:
        raise BadRequest(
            f"stream: expected true or false, got '{stream}'", param="stream", code="invalid_value"
        )
    if not _BOOLEANS[stream]:
        return None
    after = query.get("starting_after")
    if after is None:
        return BEFORE
    if not _NUMBER.fullmatch(after):
        text = f"starting_after: expected the sequence_number of an event, such as 41, got '{after}'"
        raise BadRequest(text, param="starting_after", code="invalid_value")
    return int(after)


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
