"""Routes of models (spec/platform §1.9)."""

from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK

from dwctl.control.models.actions import ModelActions
from dwctl.control.models.store import Filter
from dwctl.control.models.structs import Model, ModelCreate, ModelPage, ModelType, ModelUpdate
from dwctl.core.errors import BadRequest
from dwctl.web.authentication import Who
from dwctl.web.paging import DEFAULT_LIMIT, csv, window, words


@get("/models")
async def list_models(
    principal: Who,
    models: NamedDependency[ModelActions],
    skip: FromQuery[int] = 0,
    limit: FromQuery[int] = DEFAULT_LIMIT,
    search: FromQuery[str | None] = None,
    include: FromQuery[str | None] = None,
    endpoint: FromQuery[UUID | None] = None,
    group: FromQuery[str | None] = None,
    provider: FromQuery[str | None] = None,
    model_type: FromQuery[ModelType | None] = None,
    capability: FromQuery[str | None] = None,
    is_composite: FromQuery[bool | None] = None,
    accessible: FromQuery[bool] = False,
    deleted: FromQuery[bool] = False,
    inactive: FromQuery[bool | None] = None,
    sort: FromQuery[str] = "created_at",
    sort_direction: FromQuery[str] = "desc",
) -> ModelPage:
    """List models. `include`: `groups`, `endpoints`, `components`, `pricing`, `tariff_history`, `facets`."""
    status = None if inactive is None else ("inactive" if inactive else "active")
    wanted = Filter(
        endpoint=endpoint,
        groups=[_uuid(word) for word in csv(group)] or None,
        search=words("search", search),
        type=model_type,
        capability=words("capability", capability),
        provider=words("provider", provider),
        composite=is_composite,
        deleted=deleted,
        status=status,
        sort=sort,
        order=sort_direction,
    )
    return await models.page(principal, wanted, window(skip, limit), csv(include), accessible=accessible)


@post("/models", status_code=HTTP_200_OK)
async def create_model(
    principal: Who, models: NamedDependency[ModelActions], data: JSONBody[ModelCreate]
) -> Model:
    """Create a model: a standard one on an endpoint, or a composite one, which gets its components afterwards."""
    return await models.create(principal, data)


@get("/models/{model_id:uuid}")
async def get_model(
    principal: Who,
    models: NamedDependency[ModelActions],
    model_id: FromPath[UUID],
    include: FromQuery[str | None] = None,
    deleted: FromQuery[bool] = False,
) -> Model:
    """Get a model. `include` as in the list, without `facets`."""
    return await models.get(principal, model_id, csv(include), deleted=deleted)


@patch("/models/{model_id:uuid}")
async def update_model(
    principal: Who,
    models: NamedDependency[ModelActions],
    model_id: FromPath[UUID],
    data: JSONBody[ModelUpdate],
) -> Model:
    """Change a model."""
    return await models.update(principal, model_id, data)


@delete("/models/{model_id:uuid}", status_code=HTTP_200_OK)
async def delete_model(
    principal: Who, models: NamedDependency[ModelActions], model_id: FromPath[UUID]
) -> UUID:
    """Delete a model; the answer is its id."""
    return await models.delete(principal, model_id)


def _uuid(word: str) -> UUID:
    try:
        return UUID(word)
    except ValueError as error:
        raise BadRequest(f"group: expected ids separated by commas, got '{word}'") from error


def router(actions: ModelActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/",
        route_handlers=[list_models, create_model, get_model, update_model, delete_model],
        dependencies={"models": Provide(lambda: actions, sync_to_thread=False)},
        tags=["models"],
    )
