"""Routes of organizations (spec/platform §1.10)."""

from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_204_NO_CONTENT

from dwctl.control.organizations.actions import OrganizationActions
from dwctl.control.organizations.structs import (
    Member,
    MemberAdd,
    MemberUpdate,
    Organization,
    OrganizationCreate,
    OrganizationUpdate,
)
from dwctl.web.authentication import Who
from dwctl.web.paging import DEFAULT_LIMIT, Page, window


@get("/organizations")
async def list_organizations(
    principal: Who,
    organizations: NamedDependency[OrganizationActions],
    skip: FromQuery[int] = 0,
    limit: FromQuery[int] = DEFAULT_LIMIT,
    search: FromQuery[str | None] = None,
) -> Page[Organization]:
    """List organizations: all for managers, else the caller's own."""
    return await organizations.page(principal, search, window(skip, limit))


@post("/organizations")
async def create_organization(
    principal: Who, organizations: NamedDependency[OrganizationActions], data: JSONBody[OrganizationCreate]
) -> Organization:
    """Create an organization; the caller is its owner, or whom a manager names."""
    return await organizations.create(principal, data)


@get("/organizations/{organization_id:uuid}")
async def get_organization(
    principal: Who, organizations: NamedDependency[OrganizationActions], organization_id: FromPath[UUID]
) -> Organization:
    """Get an organization, with its balance and budget for those who lead it."""
    return await organizations.get(principal, organization_id)


@patch("/organizations/{organization_id:uuid}")
async def update_organization(
    principal: Who,
    organizations: NamedDependency[OrganizationActions],
    organization_id: FromPath[UUID],
    data: JSONBody[OrganizationUpdate],
) -> Organization:
    """Change an organization."""
    return await organizations.update(principal, organization_id, data)


@delete("/organizations/{organization_id:uuid}")
async def delete_organization(
    principal: Who, organizations: NamedDependency[OrganizationActions], organization_id: FromPath[UUID]
) -> None:
    """Delete an organization; its keys stop."""
    await organizations.delete(principal, organization_id)


@get("/organizations/{organization_id:uuid}/members")
async def list_members(
    principal: Who, organizations: NamedDependency[OrganizationActions], organization_id: FromPath[UUID]
) -> list[Member]:
    """Who belongs to an organization."""
    return await organizations.members(principal, organization_id)


@post("/organizations/{organization_id:uuid}/members")
async def add_member(
    principal: Who,
    organizations: NamedDependency[OrganizationActions],
    organization_id: FromPath[UUID],
    data: JSONBody[MemberAdd],
) -> list[Member]:
    """Add a person; gives all members."""
    return await organizations.add_member(principal, organization_id, data)


@patch("/organizations/{organization_id:uuid}/members/{user_id:uuid}")
async def update_member(
    principal: Who,
    organizations: NamedDependency[OrganizationActions],
    organization_id: FromPath[UUID],
    user_id: FromPath[UUID],
    data: JSONBody[MemberUpdate],
) -> list[Member]:
    """Change a member's role; gives all members."""
    return await organizations.set_role(principal, organization_id, user_id, data.role)


@delete("/organizations/{organization_id:uuid}/members/{user_id:uuid}")
async def remove_member(
    principal: Who,
    organizations: NamedDependency[OrganizationActions],
    organization_id: FromPath[UUID],
    user_id: FromPath[UUID],
) -> None:
    """Remove a member; their keys of the organization stop."""
    await organizations.remove_member(principal, organization_id, user_id)


@post("/organizations/{organization_id:uuid}/leave", status_code=HTTP_204_NO_CONTENT)
async def leave_organization(
    principal: Who, organizations: NamedDependency[OrganizationActions], organization_id: FromPath[UUID]
) -> None:
    """Leave an organization."""
    await organizations.leave(principal, organization_id)


def router(actions: OrganizationActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/",
        route_handlers=[
            list_organizations,
            create_organization,
            get_organization,
            update_organization,
            delete_organization,
            list_members,
            add_member,
            update_member,
            remove_member,
            leave_organization,
        ],
        dependencies={"organizations": Provide(lambda: actions, sync_to_thread=False)},
        tags=["organizations"],
    )
