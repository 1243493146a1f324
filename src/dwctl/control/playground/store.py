"""The hidden keys of sessions, in PostgreSQL."""

from uuid import UUID

from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.identity.secrets import NewKey


class PlaygroundStore:
    """Rows of `api_keys` that nobody lists; at most one for each person."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def find(self, user_id: UUID) -> bytes | None:
        """The digest of a person's key."""
        found: bytes | None = await self._database.fetch_value(self._sql["find_playground_key"], user_id)
        return found

    async def create(self, key_id: UUID, user_id: UUID, made: NewKey) -> bool:
        """Whether this made it: another request may have been faster."""
        sql = self._sql["create_playground_key"]
        return await self._database.fetch_value(sql, key_id, made.digest, made.shown, user_id) is not None
