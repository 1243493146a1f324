"""Reads requests back."""

from datetime import datetime
from uuid import UUID

import msgspec

from dwctl.db.postgres import Database
from dwctl.db.queries import Queries


class StoredRequest(msgspec.Struct, frozen=True):
    """A row of `requests` with its bodies."""

    id: UUID
    attempt: int
    state: int
    stream: bool
    background: bool
    status_code: int | None
    created_at: datetime
    completed_at: datetime | None
    owner_id: UUID
    creator_id: UUID
    path: str
    model: str
    service_tier: str
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    total_tokens: int | None
    error_code: str | None
    error_message: str | None
    request: bytes | None
    response: bytes | None


class RequestStore:
    """Rows and bodies by id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def get(self, request_id: UUID) -> StoredRequest | None:
        """A request, whoever owns it; the caller checks."""
        row = await self._database.fetch_row(self._sql["get_request"], request_id)
        return None if row is None else StoredRequest(*row.values())
