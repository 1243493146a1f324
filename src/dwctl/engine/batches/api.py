"""Routes of batches (spec/platform §1.15)."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Request, Router, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody

from dwctl.engine.batches.actions import BatchActions, Query
from dwctl.engine.batches.results import Part
from dwctl.engine.batches.structs import Analytics, Batch, BatchCreate, BatchList, RetryRequests
from dwctl.engine.files.download import Download
from dwctl.identity.authenticate import AI_PURPOSES, Authenticator
from dwctl.web.authentication import Who, guard, principal_dependency
from dwctl.web.paging import csv, words

DEFAULT_LIMIT = 20
MOST = 2**31 - 2


@post("/batches")
async def create_batch(
    request: Request[Any, Any, Any],
    principal: Who,
    batches: NamedDependency[BatchActions],
    data: JSONBody[BatchCreate],
) -> Batch:
    """Create a batch."""
    return await batches.create(principal, data, request.headers.get("idempotency-key"))


@get("/batches")
async def list_batches(
    principal: Who,
    batches: NamedDependency[BatchActions],
    after: FromQuery[str | None] = None,
    limit: FromQuery[int] = DEFAULT_LIMIT,
    search: FromQuery[str | None] = None,
    include: FromQuery[str | None] = None,
    member_id: FromQuery[UUID | None] = None,
    status: FromQuery[str | None] = None,
    created_after: FromQuery[datetime | None] = None,
    created_before: FromQuery[datetime | None] = None,
    active_first: FromQuery[bool] = False,
    completion_window: FromQuery[str | None] = None,
    endpoint: FromQuery[str | None] = None,
    model: FromQuery[str | None] = None,
) -> BatchList:
    """List batches, the newest first."""
    query = Query(
        after=after,
        limit=limit,
        search=words("search", search),
        member_id=member_id,
        status=status,
        created_after=created_after,
        created_before=created_before,
        active_first=active_first,
        windows=None if completion_window is None else csv(words("completion_window", completion_window)),
        analytics="analytics" in csv(include),
        endpoint=words("endpoint", endpoint),
        model=words("model", model),
    )
    return await batches.page(principal, query)


@get("/batches/{batch_id:str}")
async def get_batch(principal: Who, batches: NamedDependency[BatchActions], batch_id: FromPath[str]) -> Batch:
    """Get a batch."""
    return await batches.get(principal, batch_id)


@delete("/batches/{batch_id:str}")
async def delete_batch(
    principal: Who, batches: NamedDependency[BatchActions], batch_id: FromPath[str]
) -> None:
    """Cancel a batch and delete it."""
    await batches.delete(principal, batch_id)


@get("/batches/{batch_id:str}/analytics")
async def get_batch_analytics(
    principal: Who, batches: NamedDependency[BatchActions], batch_id: FromPath[str]
) -> Analytics:
    """Get what a batch has come to."""
    return await batches.analytics(principal, batch_id)


@get("/batches/{batch_id:str}/results")
async def get_batch_results(
    principal: Who,
    batches: NamedDependency[BatchActions],
    batch_id: FromPath[str],
    skip: FromQuery[int] = 0,
    limit: FromQuery[int | None] = None,
    search: FromQuery[str | None] = None,
    status: FromQuery[str | None] = None,
) -> Download:
    """Get the requests of a batch, each with what has become of it."""
    part = Part(
        skip=min(max(0, skip), MOST),
        limit=None if limit is None else min(max(0, limit), MOST),
        search=words("search", search),
        status=status,
    )
    found = await batches.results(principal, batch_id, part)
    headers = {"x-incomplete": "true" if found.incomplete else "false"}
    if found.next is not None:
        headers["x-last-line"] = str(found.next)
    return Download(found.text, "application/x-ndjson", headers)


@post("/batches/{batch_id:str}/cancel", status_code=200)
async def cancel_batch(
    principal: Who, batches: NamedDependency[BatchActions], batch_id: FromPath[str]
) -> Batch:
    """Cancel a batch."""
    return await batches.cancel(principal, batch_id)


@post("/batches/{batch_id:str}/retry", status_code=200)
async def retry_batch(
    principal: Who, batches: NamedDependency[BatchActions], batch_id: FromPath[str]
) -> Batch:
    """Run the requests of a batch that have failed again."""
    return await batches.retry(principal, batch_id)


@post("/batches/{batch_id:str}/retry-requests", status_code=200)
async def retry_batch_requests(
    principal: Who,
    batches: NamedDependency[BatchActions],
    batch_id: FromPath[str],
    data: JSONBody[RetryRequests],
) -> Batch:
    """Run some requests of a batch again."""
    return await batches.retry_requests(principal, batch_id, data.request_ids)


def router(actions: BatchActions, authenticator: Authenticator, origins: Collection[str]) -> Router:
    """All routes of this resource."""
    return Router(
        path="/ai/v1",
        route_handlers=[
            create_batch,
            list_batches,
            get_batch,
            delete_batch,
            get_batch_analytics,
            get_batch_results,
            cancel_batch,
            retry_batch,
            retry_batch_requests,
        ],
        guards=[guard(authenticator, AI_PURPOSES, origins)],
        dependencies={
            **principal_dependency(),
            "batches": Provide(lambda: actions, sync_to_thread=False),
        },
        include_in_schema=False,
    )
