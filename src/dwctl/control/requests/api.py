"""Routes of recorded calls (spec/platform §1.11)."""

from datetime import datetime
from uuid import UUID

from litestar import Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from dwctl.control.requests.actions import Query, RequestActions
from dwctl.control.requests.structs import EntryPage, Events, RequestDetail
from dwctl.web.authentication import Who
from dwctl.web.paging import DEFAULT_LIMIT, window, words


@get("/requests")
async def list_requests(
    principal: Who,
    requests: NamedDependency[RequestActions],
    skip: FromQuery[int] = 0,
    limit: FromQuery[int] = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
    order_desc: FromQuery[bool] = True,
    method: FromQuery[str | None] = None,
    uri_pattern: FromQuery[str | None] = None,
    model: FromQuery[str | None] = None,
    user_id: FromQuery[UUID | None] = None,
    status_code: FromQuery[int | None] = None,
    status_code_min: FromQuery[int | None] = None,
    status_code_max: FromQuery[int | None] = None,
    min_duration_ms: FromQuery[float | None] = None,
    max_duration_ms: FromQuery[float | None] = None,
    timestamp_after: FromQuery[datetime | None] = None,
    timestamp_before: FromQuery[datetime | None] = None,
    custom_id: FromQuery[str | None] = None,
    fusillade_batch_id: FromQuery[UUID | None] = None,
    status: FromQuery[str | None] = None,
    service_tier: FromQuery[str | None] = None,
    background: FromQuery[bool | None] = None,
) -> EntryPage:
    """List recorded calls, newest first: all of them for who may read them, else those of the caller's keys."""
    query = Query(
        cursor=words("cursor", cursor),
        order_desc=order_desc,
        method=words("method", method),
        uri_pattern=words("uri_pattern", uri_pattern),
        model=words("model", model),
        user_id=user_id,
        status_code=status_code,
        status_code_min=status_code_min,
        status_code_max=status_code_max,
        min_duration_ms=min_duration_ms,
        max_duration_ms=max_duration_ms,
        timestamp_after=timestamp_after,
        timestamp_before=timestamp_before,
        custom_id=words("custom_id", custom_id),
        fusillade_batch_id=fusillade_batch_id,
        status=status,
        service_tier=words("service_tier", service_tier),
        background=background,
    )
    return await requests.page(principal, query, window(skip, limit))


@get("/requests/{request_id:str}")
async def get_request(
    principal: Who, requests: NamedDependency[RequestActions], request_id: FromPath[str]
) -> RequestDetail:
    """Get a recorded call with its bodies."""
    return await requests.get(principal, request_id)


@get("/requests/{request_id:str}/events")
async def get_request_events(
    principal: Who, requests: NamedDependency[RequestActions], request_id: FromPath[str]
) -> Events:
    """Get the events of a recorded background stream."""
    return await requests.events(principal, request_id)


def router(actions: RequestActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/",
        route_handlers=[list_requests, get_request, get_request_events],
        dependencies={"requests": Provide(lambda: actions, sync_to_thread=False)},
        tags=["requests"],
    )
