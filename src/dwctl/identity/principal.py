"""Who is asking."""

from typing import Literal
from uuid import UUID

import msgspec

NIL = UUID(int=0)
"""Id of the system account and of the Everyone group."""
LEADS = frozenset({"owner", "admin"})
"""Places in an organization whose people see and change what is its own."""

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
    """The account that the key belongs to, or the organization that a session has chosen; None with a session whose
    account is the person's own."""
    organization_role: str | None = None
    """The person's place in the organization that their session has chosen; None without one, and with a key."""

    @property
    def owner_id(self) -> UUID:
        """The account that owns and pays for what is made."""
        return self.account_id or self.user_id

    @property
    def organization_id(self) -> UUID | None:
        """The organization for which the person acts."""
        return None if self.account_id == self.user_id else self.account_id

    @property
    def in_organization(self) -> bool:
        """Whether a session has chosen one."""
        return self.organization_role is not None

    @property
    def leads(self) -> bool:
        """Whether the person leads the organization that their session has chosen."""
        return self.organization_role in LEADS
