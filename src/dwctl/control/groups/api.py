"""Routes of groups and memberships (spec/platform §1.6)."""

from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_204_NO_CONTENT

from dwctl.control.groups.actions import GroupActions
from dwctl.control.groups.structs import Group, GroupCreate, GroupUpdate
from dwctl.identity.permissions import Resource
from dwctl.web.authentication import Who
from dwctl.web.paging import DEFAULT_LIMIT, Page, csv, window


@get("/groups")
async def list_groups(
    principal: Who,
    groups: NamedDependency[GroupActions],
    skip: FromQuery[int] = 0,
    limit: FromQuery[int] = DEFAULT_LIMIT,
    search: FromQuery[str | None] = None,
    include: FromQuery[str | None] = None,
) -> Page[Group]:
    """List groups. `include`: `users`, `models`."""
    return await groups.page(principal, search, window(skip, limit), csv(include))


@post("/groups")
async def create_group(
    principal: Who, groups: NamedDependency[GroupActions], data: JSONBody[GroupCreate]
) -> Group:
    """Create a group."""
    return await groups.create(principal, data)


@get("/groups/{group_id:uuid}")
async def get_group(principal: Who, groups: NamedDependency[GroupActions], group_id: FromPath[UUID]) -> Group:
    """Get a group."""
    return await groups.get(principal, group_id)


@patch("/groups/{group_id:uuid}")
async def update_group(
    principal: Who,
    groups: NamedDependency[GroupActions],
    group_id: FromPath[UUID],
    data: JSONBody[GroupUpdate],
) -> Group:
    """Change name or description."""
    return await groups.update(principal, group_id, data)


@delete("/groups/{group_id:uuid}")
async def delete_group(
    principal: Who, groups: NamedDependency[GroupActions], group_id: FromPath[UUID]
) -> None:
    """Delete a group."""
    await groups.delete(principal, group_id)


@get("/groups/{group_id:uuid}/users")
async def list_group_users(
    principal: Who, groups: NamedDependency[GroupActions], group_id: FromPath[UUID]
) -> list[UUID]:
    """Ids of a group's members."""
    return await groups.users(principal, group_id)


@post("/groups/{group_id:uuid}/users/{user_id:uuid}", status_code=HTTP_204_NO_CONTENT)
async def add_group_user(
    principal: Who, groups: NamedDependency[GroupActions], group_id: FromPath[UUID], user_id: FromPath[UUID]
) -> None:
    """Add a member."""
    await groups.add_user(principal, group_id, user_id, Resource.GROUPS)


@delete("/groups/{group_id:uuid}/users/{user_id:uuid}")
async def remove_group_user(
    principal: Who, groups: NamedDependency[GroupActions], group_id: FromPath[UUID], user_id: FromPath[UUID]
) -> None:
    """Remove a member."""
    await groups.remove_user(principal, group_id, user_id, Resource.GROUPS)


@get("/users/{user_id:uuid}/groups")
async def list_user_groups(
    principal: Who, groups: NamedDependency[GroupActions], user_id: FromPath[UUID]
) -> list[Group]:
    """A person's groups."""
    return await groups.of_user(principal, user_id)


@get("/users/current/groups")
async def list_own_groups(principal: Who, groups: NamedDependency[GroupActions]) -> list[Group]:
    """The caller's groups."""
    return await groups.of_user(principal, principal.user_id)


@post("/users/{user_id:uuid}/groups/{group_id:uuid}", status_code=HTTP_204_NO_CONTENT)
async def add_user_group(
    principal: Who, groups: NamedDependency[GroupActions], user_id: FromPath[UUID], group_id: FromPath[UUID]
) -> None:
    """Add a person to a group."""
    await groups.add_user(principal, group_id, user_id, Resource.USERS)


@delete("/users/{user_id:uuid}/groups/{group_id:uuid}")
async def remove_user_group(
    principal: Who, groups: NamedDependency[GroupActions], user_id: FromPath[UUID], group_id: FromPath[UUID]
) -> None:
    """Remove a person from a group."""
    await groups.remove_user(principal, group_id, user_id, Resource.USERS)


@get("/groups/{group_id:uuid}/models")
async def list_group_models(
    principal: Who, groups: NamedDependency[GroupActions], group_id: FromPath[UUID]
) -> list[UUID]:
    """Ids of the models that a group may use."""
    return await groups.models(principal, group_id)


@post("/groups/{group_id:uuid}/models/{model_id:uuid}", status_code=HTTP_204_NO_CONTENT)
async def add_group_model(
    principal: Who, groups: NamedDependency[GroupActions], group_id: FromPath[UUID], model_id: FromPath[UUID]
) -> None:
    """Open a model to a group."""
    await groups.add_model(principal, group_id, model_id)


@delete("/groups/{group_id:uuid}/models/{model_id:uuid}")
async def remove_group_model(
    principal: Who, groups: NamedDependency[GroupActions], group_id: FromPath[UUID], model_id: FromPath[UUID]
) -> None:
    """Close a model to a group."""
    await groups.remove_model(principal, group_id, model_id)


@get("/models/{model_id:uuid}/groups")
async def list_model_groups(
    principal: Who, groups: NamedDependency[GroupActions], model_id: FromPath[UUID]
) -> list[UUID]:
    """Ids of the groups that may use a model."""
    return await groups.of_model(principal, model_id)


def router(actions: GroupActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/",
        route_handlers=[
            list_groups,
            create_group,
            get_group,
            update_group,
            delete_group,
            list_group_users,
            add_group_user,
            remove_group_user,
            list_user_groups,
            list_own_groups,
            add_user_group,
            remove_user_group,
            list_group_models,
            add_group_model,
            remove_group_model,
            list_model_groups,
        ],
        dependencies={"groups": Provide(lambda: actions, sync_to_thread=False)},
        tags=["groups"],
    )
