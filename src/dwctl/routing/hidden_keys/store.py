"""Rows of `api_keys` that nobody lists: at most one for each account, person and purpose.

A secret is never kept, and nobody needs it: whoever has a call made hands the gateway the digest. A key is made with
the first call that needs it, and known to the gateways here by then, or 2 s later.
"""

from typing import Literal
from uuid import UUID

import msgspec

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.identity.secrets import new_key
from dwctl.routing.change import Propagation


class HiddenKey(msgspec.Struct, frozen=True):
    """One of them."""

    id: UUID
    digest: bytes
    """SHA-256 of its secret."""


class HiddenKeys:
    """Those of one purpose."""

    def __init__(
        self, database: Database, propagation: Propagation, purpose: Literal["batch", "playground"]
    ) -> None:
        self._database = database
        self._propagation = propagation
        self._purpose = purpose
        self._sql = Queries.load(__package__)

    async def key(self, owner: UUID, creator: UUID) -> HiddenKey:
        """That of an account and a person; made when there is none."""
        while True:
            row = await self._database.fetch_row(self._sql["find_hidden_key"], owner, creator, self._purpose)
            if row is not None:
                return HiddenKey(*row.values())
            made, key_id = new_key(), new_uuid()
            values = (key_id, made.digest, made.shown, owner, creator, self._purpose)
            async with self._propagation.confirm("api_keys", str(key_id)) as change:
                created = await self._database.fetch_value(self._sql["create_hidden_key"], *values)
                change.made = created is not None
