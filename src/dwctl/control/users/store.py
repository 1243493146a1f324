"""Users in PostgreSQL."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import UnsetType

from dwctl.control.budgets import BudgetShown, BudgetWanted, Set, shown
from dwctl.control.users.structs import User, UserCreate, UserOrganization, UserUpdate
from dwctl.core.errors import Conflict
from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.identity.principal import STANDARD, Role
from dwctl.usage.budgets.store import BudgetStore
from dwctl.usage.ledger import LedgerStore, initial
from dwctl.usage.prices import ZERO
from dwctl.web.paging import Window

_TAKEN = {"users_username_key": "username", "users_email_key": "email"}


class UserStore:
    """Rows of `users` and `user_roles`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)
        self._ledger = LedgerStore(database)
        self._budgets = BudgetStore(database)

    async def page(self, search: str | None, window: Window) -> tuple[list[User], int]:
        """A part of the people, and how many there are."""
        rows = await self._database.fetch(self._sql["list_users"], search, window.skip, window.limit)
        if rows:
            return [_user(row) for row in rows], rows[0]["total"]
        return [], await self._database.fetch_value(self._sql["count_users"], search)

    async def get(self, user_id: UUID) -> User | None:
        """One account."""
        row = await self._database.fetch_row(self._sql["get_user"], user_id)
        return None if row is None else _user(row)

    async def create(
        self,
        wanted: UserCreate,
        *,
        password_hash: str | None = None,
        is_admin: bool = False,
        credit: Decimal = ZERO,
    ) -> UUID:
        """A new account, with a first credit; 409 when username or e-mail is taken."""
        user_id = new_uuid()
        try:
            async with self._database.transaction() as connection:
                await connection.execute(
                    self._sql["create_user"],
                    user_id,
                    wanted.username.strip(),
                    wanted.email.strip(),
                    wanted.display_name,
                    wanted.avatar_url,
                    password_hash,
                    is_admin,
                )
                roles = sorted({*wanted.roles, STANDARD})
                await connection.execute(self._sql["set_roles"], user_id, roles)
                if credit:
                    await self._ledger.book_in(connection, initial(user_id, credit))
        except asyncpg.UniqueViolationError as error:
            field = _TAKEN.get(error.constraint_name or "", "name")
            raise Conflict(f"A user with this {field} already exists.", {"resource": "user"}) from error
        return user_id

    async def update(self, user_id: UUID, change: UserUpdate) -> None:
        """Change what is set; StandardUser is always among the roles."""
        async with self._database.transaction() as connection:
            await connection.execute(
                self._sql["update_user"],
                user_id,
                not isinstance(change.display_name, UnsetType),
                change.display_name if isinstance(change.display_name, str) else None,
                not isinstance(change.avatar_url, UnsetType),
                change.avatar_url if isinstance(change.avatar_url, str) else None,
            )
            if not isinstance(change.roles, UnsetType):
                roles = sorted({*change.roles, STANDARD})
                await connection.execute(self._sql["set_roles"], user_id, roles)

    async def organizations(self, user_id: UUID) -> list[UserOrganization]:
        """What somebody belongs to, by name."""
        rows = await self._database.fetch(self._sql["organizations"], user_id)
        return [UserOrganization(**dict(row)) for row in rows]

    async def budgets(self, ids: Iterable[UUID], now: float) -> dict[UUID, BudgetShown]:
        """How budgets stand; an account without one is not in it."""
        found = {
            row["id"]: Set(amount=row["budget_amount"], period=row["budget_period"])
            for row in await self._database.fetch(self._sql["budgets"], list(ids))
        }
        periods = {user_id: budget.period for user_id, budget in found.items()}
        spent = await self._budgets.spent("account", periods, now)
        return {user_id: shown(budget, spent[user_id], now) for user_id, budget in found.items()}

    async def set_budget(self, user_id: UUID, budget: BudgetWanted | None) -> bool:
        """Whether it is another one than before."""
        amount, period = (None, None) if budget is None else (budget.amount, budget.period)
        async with self._database.transaction() as connection:
            if budget is not None:
                await self._budgets.count_in(connection, user_id)
            return await connection.fetchval(self._sql["set_budget"], user_id, amount, period) is not None

    async def make_administrator(self, user_id: UUID, roles: list[Role]) -> None:
        """Repeatable."""
        await self._database.execute(self._sql["make_administrator"], user_id, roles)

    async def delete(self, user_id: UUID) -> bool:
        """Delete softly: personal data and keys go in the same transaction. Whether there was one."""
        async with self._database.transaction() as connection:
            found = await connection.fetchval(self._sql["delete_user"], user_id)
            await connection.execute(self._sql["delete_keys_of"], user_id)
            await connection.execute(self._sql["delete_memberships_of"], user_id)
        return found is not None


def _user(row: Any) -> User:
    return User(
        id=row["id"],
        username=row["username"],
        email=row["email"],
        display_name=row["display_name"],
        avatar_url=row["avatar_url"],
        is_admin=row["is_admin"],
        roles=list(row["roles"] or ()),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        last_login=row["last_login"],
        auth_source=row["auth_source"],
        external_user_id=row["external_user_id"],
        user_type=row["user_type"],
        low_balance_threshold=None
        if row["low_balance_threshold"] is None
        else float(row["low_balance_threshold"]),
    )
