"""Accounts and keys as authentication needs them."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from dwctl.core.networks import Network, Networks, Peer
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries


class Account(msgspec.Struct, frozen=True):
    """A live person."""

    id: UUID
    email: str
    is_admin: bool
    password_hash: str | None
    sessions_valid_from: datetime
    roles: list[str] | None


class KeyAccount(msgspec.Struct, frozen=True):
    """A live key and whose it is."""

    id: UUID
    purpose: str
    user_id: UUID
    created_by: UUID
    allowed_cidrs: list[Network] | None = None
    """Where it may be used from; None: from everywhere."""

    def good_for(self, peer: Peer, trusted: Networks) -> bool:
        """Whether the client is where the key may be used."""
        if self.allowed_cidrs is None:
            return True
        address = peer.address(trusted)
        return address is not None and address in Networks(self.allowed_cidrs)


class IdentityStore:
    """Reads accounts and keys."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def account(self, user_id: UUID) -> Account | None:
        """By id."""
        row = await self._database.fetch_row(self._sql["get_account"], user_id)
        return None if row is None else Account(*row.values())

    async def account_by_email(self, email: str) -> Account | None:
        """By e-mail."""
        row = await self._database.fetch_row(self._sql["find_account"], email)
        return None if row is None else Account(*row.values())

    async def key(self, digest: bytes) -> KeyAccount | None:
        """By the digest of its secret."""
        row = await self._database.fetch_row(self._sql["get_key_by_hash"], digest)
        return None if row is None else KeyAccount(*row.values())

    async def role_in(self, organization_id: UUID, user_id: UUID) -> str | None:
        """The role of a person in an organization; None for whoever does not belong to it."""
        role: str | None = await self._database.fetch_value(self._sql["role_in"], organization_id, user_id)
        return role

    async def set_password(self, user_id: UUID, password_hash: str, now: float) -> None:
        """Replace the password; sessions signed before `now` (unix seconds) end."""
        moment = datetime.fromtimestamp(now, UTC)
        await self._database.execute(self._sql["set_password"], user_id, password_hash, moment)

    async def note_login(self, user_id: UUID) -> None:
        """Remember when somebody signed in last."""
        await self._database.execute(self._sql["note_login"], user_id)
