"""API keys in PostgreSQL."""

from typing import Any
from uuid import UUID

import asyncpg

from dwctl.control.keys.structs import ApiKey, KeyCreate
from dwctl.core.errors import Conflict
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.identity.secrets import NewKey
from dwctl.web.paging import Window


class KeyStore:
    """Rows of `api_keys`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def page(self, user_id: UUID, window: Window) -> tuple[list[ApiKey], int]:
        """A part of an account's keys, and how many there are."""
        rows = await self._database.fetch(self._sql["list_keys"], user_id, window.skip, window.limit)
        if not rows:
            return [], await self._database.fetch_value(self._sql["count_keys"], user_id)
        models = await self._models(user_id)
        return [_key(row, models) for row in rows], rows[0]["total"]

    async def get(self, user_id: UUID, key_id: UUID) -> ApiKey | None:
        """One key of an account."""
        row = await self._database.fetch_row(self._sql["get_key"], user_id, key_id)
        return None if row is None else _key(row, await self._models(user_id))

    async def create(
        self, key_id: UUID, user_id: UUID, creator: UUID, wanted: KeyCreate, made: NewKey
    ) -> None:
        """A new key; 409 when the account has one of this name."""
        try:
            await self._database.execute(
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
            )
        except asyncpg.UniqueViolationError as error:
            text = f"An API key with the name '{wanted.name}' already exists."
            raise Conflict(text, {"resource": "api_key"}) from error

    async def delete(self, user_id: UUID, key_id: UUID) -> bool:
        """Whether there was one."""
        return await self._database.fetch_value(self._sql["delete_key"], user_id, key_id) is not None

    async def is_administrator(self, user_id: UUID) -> bool | None:
        """Whether a live account is an administrator's; None when there is none."""
        found: bool | None = await self._database.fetch_value(self._sql["account"], user_id)
        return found

    async def _models(self, user_id: UUID) -> list[UUID]:
        rows = await self._database.fetch(self._sql["models_of_account"], user_id)
        return [row["id"] for row in rows]


def _key(row: Any, models: list[UUID]) -> ApiKey:
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
    )
