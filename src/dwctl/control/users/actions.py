"""What may be done with users (spec/platform §1.3)."""

import re
from decimal import Decimal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.control.budgets import BudgetWanted
from dwctl.control.budgets import check as check_budget
from dwctl.control.groups.actions import GroupActions
from dwctl.control.users.store import UserStore
from dwctl.control.users.structs import User, UserCreate, UserOrganization, UserUpdate
from dwctl.core.clock import Clock
from dwctl.core.errors import BadRequest, Forbidden, NotFound
from dwctl.identity.permissions import Operation, Resource, Scope, allows, require
from dwctl.identity.principal import NIL, Principal
from dwctl.routing.change import Propagation
from dwctl.usage.amounts import amount_fault
from dwctl.usage.ledger import Account, LedgerStore
from dwctl.usage.money import plain
from dwctl.usage.prices import ZERO
from dwctl.web.paging import Page, Window, words

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
MAX_TEXT = 255
MAX_OPTIONAL = 2048


class UserActions:
    """Rules before rows."""

    def __init__(
        self,
        store: UserStore,
        groups: GroupActions,
        propagation: Propagation,
        ledger: LedgerStore,
        clock: Clock,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._groups = groups
        self._propagation = propagation

    async def page(
        self, who: Principal, search: str | None, window: Window, include: frozenset[str]
    ) -> Page[User]:
        """A page of all people."""
        require(who, Resource.USERS, Operation.READ)
        users, total = await self._store.page(words("search", search), window)
        if "groups" in include:
            groups = await self._groups.of_users(who, [user.id for user in users])
            for user in users:
                user.groups = groups[user.id]
        if "billing" in include and allows(who, Resource.CREDITS, Operation.READ, Scope.ALL):
            await self._show_billing(users)
        return Page(users, total, window.skip, window.limit)

    async def create(self, who: Principal, wanted: UserCreate) -> User:
        """A new account, without a password."""
        require(who, Resource.USERS, Operation.CREATE)
        return await self.add(wanted)

    async def add(self, wanted: UserCreate, password_hash: str | None = None, credit: Decimal = ZERO) -> User:
        """Create without asking who may."""
        check(wanted)
        return await self.show(await self._store.create(wanted, password_hash=password_hash, credit=credit))

    async def get(self, who: Principal, user_id: UUID, include: frozenset[str] = frozenset()) -> User:
        """One account: one's own, or any for those who may."""
        if user_id != who.user_id:
            require(who, Resource.USERS, Operation.READ)
        user = await self.show(user_id)
        if "organizations" in include:
            user.organizations = await self._store.organizations(user_id)
        own = Scope.OWN if user_id == who.user_id else Scope.ALL
        if "billing" in include and allows(who, Resource.CREDITS, Operation.READ, own):
            await self._show_billing([user])
        return user

    async def current(self, who: Principal, include: frozenset[str]) -> User:
        """The caller's own account, and for whom they act."""
        user = await self.get(who, who.user_id, include)
        user.active_organization_id = who.organization_id
        return user

    async def _show_billing(self, users: list[User]) -> None:
        accounts = await self._ledger.accounts([user.id for user in users])
        for user in users:
            account = accounts.get(user.id, Account())
            user.credit_balance = float(account.balance)
            user.exact_credit_balance = plain(account.balance)
            threshold = account.low_balance_threshold
            user.exact_low_balance_threshold = None if threshold is None else plain(threshold)
            user.balance_is_low = account.low_since is not None
        await self._show_budgets(users)

    async def _show_budgets(self, users: list[User]) -> None:
        budgets = await self._store.budgets([user.id for user in users], self._clock.now())
        for user in users:
            user.budget = budgets.get(user.id)

    async def update(self, who: Principal, user_id: UUID, change: UserUpdate) -> User:
        """Change an account; roles only by those who may update all."""
        if change.roles is not UNSET and not allows(who, Resource.USERS, Operation.UPDATE, Scope.ALL):
            raise Forbidden("Insufficient permissions to Update roles of Users")
        budget = change.budget
        if not isinstance(budget, UnsetType):
            require(who, Resource.CREDITS, Operation.UPDATE)
        others = msgspec.structs.replace(change, budget=UNSET)
        if user_id != who.user_id and (isinstance(budget, UnsetType) or others != UserUpdate()):
            require(who, Resource.USERS, Operation.UPDATE)
        _not_system(user_id, "changed")
        check_money(change)
        check_text("display_name", change.display_name)
        check_text("avatar_url", change.avatar_url)
        await self.show(user_id)
        await self._store.update(user_id, change)
        await self.set_money(user_id, change)
        user = await self.show(user_id)
        if not isinstance(budget, UnsetType):
            await self._show_budgets([user])
        return user

    async def set_money(self, user_id: UUID, change: UserUpdate) -> None:
        """Put threshold and budget, where they are set and fine, without asking who may."""
        threshold, budget = change.low_balance_threshold, change.budget
        if not isinstance(threshold, UnsetType):
            await self._ledger.set_threshold(user_id, threshold)
        if not isinstance(budget, UnsetType):
            async with self._propagation.confirm("users", str(user_id)) as confirmed:
                confirmed.made = await self._store.set_budget(user_id, budget)

    async def billing(self, user_id: UUID) -> User:
        """An account with its balance and budget, without asking who may."""
        user = await self.show(user_id)
        await self._show_billing([user])
        return user

    async def organizations(self, who: Principal, user_id: UUID) -> list[UserOrganization]:
        """What somebody belongs to: oneself, or anybody for those who may."""
        if user_id != who.user_id:
            require(who, Resource.USERS, Operation.READ)
        await self.show(user_id)
        return await self._store.organizations(user_id)

    async def delete(self, who: Principal, user_id: UUID) -> None:
        """Delete an account; its keys stop at once."""
        require(who, Resource.USERS, Operation.DELETE)
        if user_id == who.user_id:
            raise BadRequest("You cannot delete your own account")
        _not_system(user_id, "deleted")
        if (await self.show(user_id)).is_admin and not who.is_admin:
            raise Forbidden("Only an administrator may delete an administrator")
        await self.remove(user_id)

    async def remove(self, user_id: UUID) -> None:
        """Delete without asking who may."""
        async with self._propagation.confirm("users", str(user_id)):
            if not await self._store.delete(user_id):
                raise _missing(user_id)

    async def show(self, user_id: UUID) -> User:
        """The account, or 404."""
        user = await self._store.get(user_id)
        if user is None:
            raise _missing(user_id)
        return user


def check(wanted: UserCreate) -> None:
    """Refuse names and addresses that cannot be."""
    if not wanted.username.strip() or len(wanted.username) > MAX_TEXT:
        raise BadRequest(f"username: expected 1 to {MAX_TEXT} characters that are not all blank")
    check_email(wanted.email)
    check_text("display_name", wanted.display_name)
    check_text("avatar_url", wanted.avatar_url)


def check_money(change: UserUpdate) -> None:
    """Refuse amounts that cannot be."""
    if isinstance(change.budget, BudgetWanted):
        check_budget(change.budget)
    threshold = change.low_balance_threshold
    if isinstance(threshold, Decimal) and threshold != 0 and (fault := amount_fault(threshold)):
        raise BadRequest(f"low_balance_threshold: {fault}, or 0 or null, got '{threshold}'")


def check_email(email: str) -> None:
    """Refuse what cannot be an address."""
    if _EMAIL.fullmatch(email.strip()) is None or len(email) > MAX_TEXT:
        raise BadRequest("email: expected an address such as name@example.com")


def check_text(field: str, text: str | UnsetType | None) -> None:
    """Refuse what is too long."""
    if isinstance(text, str) and len(text) > MAX_OPTIONAL:
        raise BadRequest(f"{field}: expected at most {MAX_OPTIONAL} characters, got {len(text)}")


def _not_system(user_id: UUID, what: str) -> None:
    if user_id == NIL:
        raise Forbidden(f"The system account cannot be {what}")


def _missing(user_id: UUID) -> NotFound:
    return NotFound(f"User with ID {user_id} not found")
