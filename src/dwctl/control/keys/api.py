"""Routes of API keys (spec/platform §1.4)."""

from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody

from dwctl.control.keys.actions import KeyActions
from dwctl.control.keys.structs import ApiKey, KeyCreate, KeyUpdate
from dwctl.web.authentication import Who
from dwctl.web.paging import DEFAULT_LIMIT, Page, window


@get("/users/{user_id:uuid}/api-keys")
async def list_keys(
    principal: Who,
    keys: NamedDependency[KeyActions],
    user_id: FromPath[UUID],
    skip: FromQuery[int] = 0,
    limit: FromQuery[int] = DEFAULT_LIMIT,
) -> Page[ApiKey]:
    """List an account's keys."""
    return await keys.page(principal, user_id, window(skip, limit))


@get("/users/current/api-keys")
async def list_own_keys(
    principal: Who,
    keys: NamedDependency[KeyActions],
    skip: FromQuery[int] = 0,
    limit: FromQuery[int] = DEFAULT_LIMIT,
) -> Page[ApiKey]:
    """List the caller's keys."""
    return await keys.page(principal, principal.user_id, window(skip, limit))


@post("/users/{user_id:uuid}/api-keys")
async def create_key(
    principal: Who, keys: NamedDependency[KeyActions], user_id: FromPath[UUID], data: JSONBody[KeyCreate]
) -> ApiKey:
    """Create a key; the answer shows its secret, once."""
    return await keys.create(principal, user_id, data)


@post("/users/current/api-keys")
async def create_own_key(
    principal: Who, keys: NamedDependency[KeyActions], data: JSONBody[KeyCreate]
) -> ApiKey:
    """Create a key for the caller; the answer shows its secret, once."""
    return await keys.create(principal, principal.user_id, data)


@get("/users/{user_id:uuid}/api-keys/{key_id:uuid}")
async def get_key(
    principal: Who, keys: NamedDependency[KeyActions], user_id: FromPath[UUID], key_id: FromPath[UUID]
) -> ApiKey:
    """Get a key."""
    return await keys.get(principal, user_id, key_id)


@get("/users/current/api-keys/{key_id:uuid}")
async def get_own_key(principal: Who, keys: NamedDependency[KeyActions], key_id: FromPath[UUID]) -> ApiKey:
    """Get a key of the caller."""
    return await keys.get(principal, principal.user_id, key_id)


@patch("/users/{user_id:uuid}/api-keys/{key_id:uuid}")
async def update_key(
    principal: Who,
    keys: NamedDependency[KeyActions],
    user_id: FromPath[UUID],
    key_id: FromPath[UUID],
    data: JSONBody[KeyUpdate],
) -> ApiKey:
    """Change a key's budget."""
    return await keys.update(principal, user_id, key_id, data)


@patch("/users/current/api-keys/{key_id:uuid}")
async def update_own_key(
    principal: Who, keys: NamedDependency[KeyActions], key_id: FromPath[UUID], data: JSONBody[KeyUpdate]
) -> ApiKey:
    """Change the budget of a key of the caller."""
    return await keys.update(principal, principal.user_id, key_id, data)


@delete("/users/{user_id:uuid}/api-keys/{key_id:uuid}")
async def delete_key(
    principal: Who, keys: NamedDependency[KeyActions], user_id: FromPath[UUID], key_id: FromPath[UUID]
) -> None:
    """Revoke a key."""
    await keys.delete(principal, user_id, key_id)


@delete("/users/current/api-keys/{key_id:uuid}")
async def delete_own_key(principal: Who, keys: NamedDependency[KeyActions], key_id: FromPath[UUID]) -> None:
    """Revoke a key of the caller."""
    await keys.delete(principal, principal.user_id, key_id)


def router(actions: KeyActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/",
        route_handlers=[
            list_keys,
            list_own_keys,
            create_key,
            create_own_key,
            get_key,
            get_own_key,
            update_key,
            update_own_key,
            delete_key,
            delete_own_key,
        ],
        dependencies={"keys": Provide(lambda: actions, sync_to_thread=False)},
        tags=["api keys"],
    )
