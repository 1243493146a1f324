"""Users on the wire (spec/platform §1.3)."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.control.budgets import BudgetShown, BudgetWanted
from dwctl.control.groups.structs import Group
from dwctl.identity.principal import Role
from dwctl.web.body import Body


class UserCreate(Body, kw_only=True):
    """Body of POST."""

    username: str
    email: str
    display_name: str | None = None
    avatar_url: str | None = None
    roles: list[Role] = msgspec.field(default_factory=list)


class UserUpdate(Body, kw_only=True):
    """Body of PATCH: what is absent stays, null clears."""

    display_name: str | UnsetType | None = UNSET
    avatar_url: str | UnsetType | None = UNSET
    roles: list[Role] | UnsetType = UNSET
    low_balance_threshold: Decimal | UnsetType | None = UNSET
    """Below which balance the account is low; null for never."""
    budget: BudgetWanted | UnsetType | None = UNSET
    """What all calls of the account may cost, set by whoever may change credits."""


class UserOrganization(msgspec.Struct, frozen=True):
    """An organization that a person belongs to."""

    id: UUID
    name: str
    role: str


class User(msgspec.Struct, kw_only=True):
    """A user as shown: the contract's keys; what this version does not have yet is null or false."""

    id: UUID
    username: str
    email: str
    display_name: str | None
    avatar_url: str | None
    is_admin: bool
    roles: list[str]
    created_at: datetime
    updated_at: datetime
    last_login: datetime | None
    auth_source: str
    external_user_id: str | None
    user_type: str
    has_payment_provider_id: bool = False
    batch_notifications_enabled: bool = False
    low_balance_threshold: float | None = None
    auto_topup_amount: float | None = None
    auto_topup_threshold: float | None = None
    auto_topup_monthly_limit: float | None = None
    has_auto_topup_payment_method: bool = False
    groups: list[Group] | UnsetType = UNSET
    organizations: list[UserOrganization] | UnsetType = UNSET
    active_organization_id: UUID | UnsetType | None = UNSET
    """Of the caller's own account: the organization for which this request acts, if any."""
    credit_balance: float | UnsetType = UNSET
    """With `include=billing`, as the next three. For reading: the exact ones have every digit."""
    exact_credit_balance: str | UnsetType = UNSET
    exact_low_balance_threshold: str | UnsetType | None = UNSET
    balance_is_low: bool | UnsetType = UNSET
    """Whether the balance is below `low_balance_threshold`."""
    budget: BudgetShown | UnsetType | None = UNSET
    """With `include=billing` too, and in the answer to a change of it."""
