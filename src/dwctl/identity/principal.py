"""Who is asking."""

from typing import Literal
from uuid import UUID

import msgspec

NIL = UUID(int=0)
"""Id of the system account and of the Everyone group."""

Role = Literal[
    "StandardUser", "PlatformManager", "RequestViewer", "BillingManager", "BatchAPIUser", "ConnectionsUser"
]
STANDARD: Role = "StandardUser"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated human, with the roles that the database has for them at this moment."""

    user_id: UUID
    email: str
    roles: frozenset[str]
    is_admin: bool = False
    key_id: UUID | None = None
    """The key that the request carried; None with a session."""
    account_id: UUID | None = None
    """The account that the key belongs to; None with a session, whose account is the person's own."""

    @property
    def owner_id(self) -> UUID:
        """The account that owns and pays for what is made."""
        return self.account_id or self.user_id
