"""Routes of users (spec/platform §1.3)."""

from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody

from dwctl.control.users.actions import UserActions
from dwctl.control.users.structs import User, UserCreate, UserOrganization, UserUpdate
from dwctl.web.authentication import Who
from dwctl.web.paging import DEFAULT_LIMIT, Page, csv, window


@get("/users")
async def list_users(
    principal: Who,
    users: NamedDependency[UserActions],
    skip: FromQuery[int] = 0,
    limit: FromQuery[int] = DEFAULT_LIMIT,
    search: FromQuery[str | None] = None,
    include: FromQuery[str | None] = None,
) -> Page[User]:
    """List people. `include`: `groups`, `billing`."""
    return await users.page(principal, search, window(skip, limit), csv(include))


@post("/users")
async def create_user(
    principal: Who, users: NamedDependency[UserActions], data: JSONBody[UserCreate]
) -> User:
    """Create an account."""
    return await users.create(principal, data)


@get("/users/current")
async def get_current_user(
    principal: Who, users: NamedDependency[UserActions], include: FromQuery[str | None] = None
) -> User:
    """The caller's account. `include`: `organizations`, `billing`."""
    return await users.current(principal, csv(include))


@get("/users/{user_id:uuid}")
async def get_user(
    principal: Who,
    users: NamedDependency[UserActions],
    user_id: FromPath[UUID],
    include: FromQuery[str | None] = None,
) -> User:
    """Get an account. `include`: `organizations`, `billing`."""
    return await users.get(principal, user_id, csv(include))


@patch("/users/current")
async def update_current_user(
    principal: Who, users: NamedDependency[UserActions], data: JSONBody[UserUpdate]
) -> User:
    """Change the caller's account."""
    return await users.update(principal, principal.user_id, data)


@patch("/users/{user_id:uuid}")
async def update_user(
    principal: Who, users: NamedDependency[UserActions], user_id: FromPath[UUID], data: JSONBody[UserUpdate]
) -> User:
    """Change an account."""
    return await users.update(principal, user_id, data)


@delete("/users/{user_id:uuid}")
async def delete_user(principal: Who, users: NamedDependency[UserActions], user_id: FromPath[UUID]) -> None:
    """Delete an account."""
    await users.delete(principal, user_id)


@get("/users/{user_id:uuid}/organizations")
async def list_user_organizations(
    principal: Who, users: NamedDependency[UserActions], user_id: FromPath[UUID]
) -> list[UserOrganization]:
    """What a person belongs to."""
    return await users.organizations(principal, user_id)


@get("/users/current/organizations")
async def list_own_organizations(
    principal: Who, users: NamedDependency[UserActions]
) -> list[UserOrganization]:
    """What the caller belongs to."""
    return await users.organizations(principal, principal.user_id)


def router(actions: UserActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/",
        route_handlers=[
            list_users,
            create_user,
            get_current_user,
            get_user,
            update_current_user,
            update_user,
            delete_user,
            list_user_organizations,
            list_own_organizations,
        ],
        dependencies={"users": Provide(lambda: actions, sync_to_thread=False)},
        tags=["users"],
    )
