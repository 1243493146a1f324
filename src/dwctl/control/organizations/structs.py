"""Organizations on the wire (spec/platform §1.10)."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.control.budgets import BudgetShown, BudgetWanted
from dwctl.web.body import Body

MemberRole = Literal["owner", "admin", "member"]


class OrganizationCreate(Body, kw_only=True):
    """Body of POST."""

    name: str
    email: str
    display_name: str | None = None
    owner_id: UUID | None = None
    """Whose it is; the caller's when it is left out."""


class OrganizationUpdate(Body, kw_only=True):
    """Body of PATCH: what is absent stays, null clears."""

    display_name: str | UnsetType | None = UNSET
    email: str | UnsetType = UNSET
    low_balance_threshold: Decimal | UnsetType | None = UNSET
    """Below which balance the account is low; null for never."""
    budget: BudgetWanted | UnsetType | None = UNSET
    """What all calls of the organization may cost, set by whoever may change credits."""


class MemberAdd(Body, kw_only=True):
    """Body of POST for a member."""

    user_id: UUID
    role: MemberRole = "member"


class MemberUpdate(Body, kw_only=True):
    """Body of PATCH for a member."""

    role: MemberRole


class Organization(msgspec.Struct, kw_only=True):
    """An organization as shown."""

    id: UUID
    name: str
    email: str
    display_name: str | None
    created_at: datetime
    updated_at: datetime
    member_count: int
    role: MemberRole | None
    """The caller's own; null for a manager who is no member."""
    low_balance_threshold: float | None = None
    credit_balance: float | UnsetType = UNSET
    """Of one organization, for its owners and admins and for whoever may read credits; as the next three."""
    exact_credit_balance: str | UnsetType = UNSET
    balance_is_low: bool | UnsetType = UNSET
    budget: BudgetShown | UnsetType | None = UNSET


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Who belongs to it."""

    user_id: UUID
    username: str
    email: str
    display_name: str | None
    avatar_url: str | None
    role: MemberRole
    status: str = "active"
    created_at: datetime
