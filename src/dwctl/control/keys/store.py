"""API keys in PostgreSQL."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from dwctl.control.budgets import KeyBudgetShown, Set, shown_of_key
from dwctl.control.keys.structs import ApiKey, KeyCreate
from dwctl.core.errors import BadRequest, Conflict
from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries
from dwctl.identity.secrets import NewKey
from dwctl.usage.budgets.store import BudgetStore
from dwctl.usage.budgets.windows import Period
from dwctl.web.paging import Window


class Standing(msgspec.Struct, frozen=True):
    """An account, and somebody's place in it."""

    is_admin: bool
    is_organization: bool
    role: str | None


class KeyStore:
    """Rows of `api_keys`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)
        self._budgets = BudgetStore(database)

    async def page(
        self, user_id: UUID, window: Window, now: float, creator: UUID | None = None
    ) -> tuple[list[ApiKey], int]:
        """A part of an account's keys, or of those that one creator made, and how many there are."""
        rows = await self._database.fetch(self._sql["list_keys"], user_id, window.skip, window.limit, creator)
        if not rows:
            return [], await self._database.fetch_value(self._sql["count_keys"], user_id, creator)
        return await self._keys(user_id, rows, now), rows[0]["total"]

    async def get(self, user_id: UUID, key_id: UUID, now: float) -> ApiKey | None:
        """One key of an account."""
        row = await self._database.fetch_row(self._sql["get_key"], user_id, key_id)
        return None if row is None else (await self._keys(user_id, [row], now))[0]

    async def create(
        self,
        key_id: UUID,
        user_id: UUID,
        creator: UUID,
        wanted: KeyCreate,
        made: NewKey,
        budget: Set | None = None,
        *,
        member: bool = False,
    ) -> None:
        """A new key; 409 when the account has one of this name. `member`: its creator must belong to the account."""
        try:
            async with self._database.transaction() as connection:
                if member and not await connection.fetchval(self._sql["hold_membership"], user_id, creator):
                    raise BadRequest(f"member_id: {creator} does not belong to the organization")
                if budget is not None:
                    await self._budgets.count_in(connection, user_id)
                await self._insert(connection, key_id, user_id, creator, wanted, made, budget)
        except asyncpg.UniqueViolationError as error:
            text = f"An API key with the name '{wanted.name}' already exists."
            raise Conflict(text, {"resource": "api_key"}) from error

    async def change_budget(
        self, user_id: UUID, key_id: UUID, decide: Callable[[Set | None], Set | None], *, counted: bool
    ) -> bool:
        """Put what is decided of the budget that a key has; whether that is another one.

        What is spent is `counted` unless no budget is wanted. That may take long the first time, so it comes before
        the key's row is locked.
        """
        async with self._database.transaction() as connection:
            if counted:
                await self._budgets.count_in(connection, user_id)
            row = await connection.fetchrow(self._sql["lock_budget"], user_id, key_id)
            if row is None:
                return False
            current = _budget(row)
            wanted = decide(current)
            if wanted == current:
                return False
            await connection.execute(self._sql["set_budget"], key_id, *_columns(wanted))
        return True

    async def _insert(
        self,
        connection: Connection,
        key_id: UUID,
        user_id: UUID,
        creator: UUID,
        wanted: KeyCreate,
        made: NewKey,
        budget: Set | None,
    ) -> None:
        await connection.execute(
            self._sql["create_key"],
            key_id,
            made.digest,
            made.shown,
            wanted.name.strip(),
            wanted.description,
            wanted.purpose,
            user_id,
            creator,
            wanted.expires_at,
            wanted.requests_per_second,
            wanted.burst_size,
            wanted.requests_per_minute,
            wanted.tokens_per_minute,
            wanted.max_concurrent,
            wanted.allowed_models,
            wanted.allowed_cidrs,
            *_columns(budget),
        )

    async def delete(self, user_id: UUID, key_id: UUID) -> bool:
        """Whether there was one."""
        return await self._database.fetch_value(self._sql["delete_key"], user_id, key_id) is not None

    async def standing(self, user_id: UUID, person: UUID) -> Standing | None:
        """What a live account is, and what somebody is to it; None when there is none."""
        row = await self._database.fetch_row(self._sql["account"], user_id, person)
        return None if row is None else Standing(**dict(row))

    async def _models(self, user_id: UUID) -> list[UUID]:
        rows = await self._database.fetch(self._sql["models_of_account"], user_id)
        return [row["id"] for row in rows]

    async def _keys(self, user_id: UUID, rows: Sequence[Any], now: float) -> list[ApiKey]:
        models = await self._models(user_id)
        budgets = {row["id"]: budget for row in rows if (budget := _budget(row)) is not None}
        periods = {key_id: budget.period for key_id, budget in budgets.items()}
        spent = await self._budgets.spent("key", periods, now)
        shown = {key_id: shown_of_key(budget, spent[key_id], now) for key_id, budget in budgets.items()}
        return [_key(row, models, shown.get(row["id"])) for row in rows]


def _budget(row: Any) -> Set | None:
    if row["budget_amount"] is None:
        return None
    return Set(amount=row["budget_amount"], period=row["budget_period"], ceiling=row["budget_ceiling"])


def _columns(budget: Set | None) -> tuple[Decimal | None, Period | None, Decimal | None]:
    return (None, None, None) if budget is None else (budget.amount, budget.period, budget.ceiling)


def _key(row: Any, models: list[UUID], budget: KeyBudgetShown | None) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        purpose=row["purpose"],
        user_id=row["user_id"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used=row["last_used"],
        key_prefix=row["secret_prefix"],
        model_access=models,
        requests_per_second=row["requests_per_second"],
        burst_size=row["burst_size"],
        requests_per_minute=row["requests_per_minute"],
        tokens_per_minute=row["tokens_per_minute"],
        max_concurrent=row["max_concurrent"],
        allowed_models=row["allowed_models"],
        allowed_cidrs=row["allowed_cidrs"],
        budget=budget,
    )
