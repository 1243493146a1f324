"""The hidden key as which the lines of a person's batches run.

Its secret is never kept: the engine hands the gateway the digest (`Dispatch`). One for each account and person, made
with the first batch; batches of one account fall under one key's access and limits.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.identity.secrets import new_key
from dwctl.routing.change import Change


class Propagation(Protocol):
    """How a new key reaches the gateways here before anybody uses it; the routing state's sync."""

    def confirm(self, noun: str, ident: str) -> AbstractAsyncContextManager[Change]:
        """Around a transaction: leaves once the processes here apply the change, or after 2 s."""
        ...


class RunKeys:
    """Rows of `api_keys` that nobody lists."""

    def __init__(self, database: Database, propagation: Propagation) -> None:
        self._database = database
        self._propagation = propagation
        self._sql = Queries.load(__package__)

    async def key(self, owner: UUID, creator: UUID) -> UUID:
        """The id of the key; made when there is none."""
        while True:
            found: UUID | None = await self._database.fetch_value(self._sql["find_run_key"], owner, creator)
            if found is not None:
                return found
            made, key_id = new_key(), new_uuid()
            async with self._propagation.confirm("api_keys", str(key_id)) as change:
                change.made = (
                    await self._database.fetch_value(
                        self._sql["create_run_key"], key_id, made.digest, made.shown, owner, creator
                    )
                    is not None
                )
