"""What may be done with organizations (spec/platform §1.10, §2.5).

Members see it, owners and admins change it, managers everything; to everybody else it is not there. Its credit, budget
and keys are those of any account: they are changed where accounts' are.
"""

from contextlib import AsyncExitStack
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.control.organizations.store import OrganizationStore, missing
from dwctl.control.organizations.structs import (
    Member,
    MemberAdd,
    MemberRole,
    Organization,
    OrganizationCreate,
    OrganizationUpdate,
)
from dwctl.control.users.actions import UserActions, check_email, check_money, check_text
from dwctl.control.users.structs import UserUpdate
from dwctl.core.errors import BadRequest, Forbidden
from dwctl.identity.permissions import Operation, Resource, Scope, allows, require
from dwctl.identity.principal import LEADS, Principal
from dwctl.routing.change import Propagation
from dwctl.web.paging import Page, Window, words

MAX_NAME = 255


class OrganizationActions:
    """Rules before rows."""

    def __init__(self, store: OrganizationStore, users: UserActions, propagation: Propagation) -> None:
        self._store = store
        self._users = users
        self._propagation = propagation

    async def page(self, who: Principal, search: str | None, window: Window) -> Page[Organization]:
        """A page of all for managers; for others of their own."""
        own = not allows(who, Resource.ORGANIZATIONS, Operation.READ, Scope.ALL)
        found, total = await self._store.page(words("search", search), who.user_id, window, own=own)
        return Page(found, total, window.skip, window.limit)

    async def create(self, who: Principal, wanted: OrganizationCreate) -> Organization:
        """A new one, whose owner is the caller or, for managers, whom they name."""
        require(who, Resource.ORGANIZATIONS, Operation.CREATE, Scope.OWN)
        if wanted.owner_id is not None and wanted.owner_id != who.user_id:
            require(who, Resource.ORGANIZATIONS, Operation.CREATE)
        if not wanted.name.strip() or len(wanted.name) > MAX_NAME:
            raise BadRequest(f"name: expected 1 to {MAX_NAME} characters that are not all blank")
        check_email(wanted.email)
        check_text("display_name", wanted.display_name)
        return await self._show(who, await self._store.create(wanted, wanted.owner_id or who.user_id))

    async def get(self, who: Principal, organization_id: UUID) -> Organization:
        """One that the caller belongs to, or any for managers."""
        found = await self._seen(who, organization_id)
        if found.role in LEADS or allows(who, Resource.CREDITS, Operation.READ, Scope.ALL):
            account = await self._users.billing(organization_id)
            found.credit_balance = account.credit_balance
            found.exact_credit_balance = account.exact_credit_balance
            found.balance_is_low = account.balance_is_low
            found.budget = account.budget
        return found

    async def update(self, who: Principal, organization_id: UUID, change: OrganizationUpdate) -> Organization:
        """Change it, by those who lead it; its budget only by whoever may change credits."""
        budget = change.budget
        if not isinstance(budget, UnsetType):
            require(who, Resource.CREDITS, Operation.UPDATE)
        if (
            isinstance(budget, UnsetType)
            or msgspec.structs.replace(change, budget=UNSET) != OrganizationUpdate()
        ):
            await self._led(who, organization_id)
        else:
            await self._there(who, organization_id)
        if not isinstance(change.email, UnsetType):
            check_email(change.email)
        check_text("display_name", change.display_name)
        money = UserUpdate(low_balance_threshold=change.low_balance_threshold, budget=budget)
        check_money(money)
        await self._store.update(organization_id, change)
        await self._users.set_money(organization_id, money)
        return await self._show(who, organization_id)

    async def delete(self, who: Principal, organization_id: UUID) -> None:
        """Delete it; its keys stop at once."""
        require(who, Resource.ORGANIZATIONS, Operation.DELETE)
        await self._there(who, organization_id)
        await self._users.remove(organization_id)

    async def members(self, who: Principal, organization_id: UUID) -> list[Member]:
        """Who belongs to it."""
        await self._seen(who, organization_id)
        return await self._store.members(organization_id)

    async def add_member(self, who: Principal, organization_id: UUID, wanted: MemberAdd) -> list[Member]:
        """Somebody more; gives all."""
        await self._led(who, organization_id, wanted.role)
        await self._store.add(organization_id, wanted.user_id, wanted.role)
        return await self._store.members(organization_id)

    async def set_role(
        self, who: Principal, organization_id: UUID, user_id: UUID, role: MemberRole
    ) -> list[Member]:
        """Another place for a member; gives all."""
        current = await self._store.role(organization_id, user_id)
        await self._led(who, organization_id, role, current)
        await self._store.set_role(organization_id, user_id, role)
        return await self._store.members(organization_id)

    async def remove_member(self, who: Principal, organization_id: UUID, user_id: UUID) -> None:
        """A member goes; their keys of the organization stop at once."""
        await self._led(who, organization_id, await self._store.role(organization_id, user_id))
        await self._remove(organization_id, user_id)

    async def leave(self, who: Principal, organization_id: UUID) -> None:
        """The caller goes."""
        if await self._store.role(organization_id, who.user_id) is None:
            raise missing(organization_id)
        await self._remove(organization_id, who.user_id)

    async def _remove(self, organization_id: UUID, user_id: UUID) -> None:
        async with AsyncExitStack() as confirmations:
            for key_id in await self._store.keys_of_member(organization_id, user_id):
                await confirmations.enter_async_context(self._propagation.confirm("api_keys", str(key_id)))
            await self._store.remove(organization_id, user_id)

    async def _seen(self, who: Principal, organization_id: UUID) -> Organization:
        found = await self._store.get(organization_id, who.user_id)
        everything = allows(who, Resource.ORGANIZATIONS, Operation.READ, Scope.ALL)
        if found is None or (found.role is None and not everything):
            raise missing(organization_id)
        return found

    async def _there(self, who: Principal, organization_id: UUID) -> None:
        if await self._store.get(organization_id, who.user_id) is None:
            raise missing(organization_id)

    async def _led(self, who: Principal, organization_id: UUID, *roles: MemberRole | None) -> None:
        """Whether the caller leads it; an owner is made and unmade by owners and managers alone."""
        found = await self._seen(who, organization_id)
        if allows(who, Resource.ORGANIZATIONS, Operation.UPDATE, Scope.ALL):
            return
        if found.role not in LEADS:
            raise Forbidden("Only owners and admins of an organization may do this")
        if "owner" in roles and found.role != "owner":
            raise Forbidden("Only an owner of an organization may make or unmake an owner")

    async def _show(self, who: Principal, organization_id: UUID) -> Organization:
        found = await self._store.get(organization_id, who.user_id)
        if found is None:
            raise missing(organization_id)
        return found
