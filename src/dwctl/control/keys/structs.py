"""API keys on the wire (spec/platform §1.4)."""

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.control.budgets import BudgetWanted, KeyBudgetShown
from dwctl.web.body import Body


class KeyCreate(Body, kw_only=True):
    """Body of POST."""

    name: str
    description: str | None = None
    purpose: str = "realtime"
    requests_per_second: float | None = None
    burst_size: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrent: int | None = None
    member_id: UUID | None = None
    """For keys of organizations."""
    expires_at: datetime | None = None
    allowed_models: list[str] | None = None
    """Aliases of the only models that the key may use, within what its account may use."""
    allowed_cidrs: list[str] | None = None
    """The only networks that the key may be used from, such as `10.0.0.0/8` or `2001:db8::1`."""
    budget: BudgetWanted | None = None
    """What its calls may cost; set by whoever may change credits it is the most that its owner may set later."""


class KeyUpdate(Body, kw_only=True):
    """Body of PATCH: what is absent stays, null clears."""

    budget: BudgetWanted | UnsetType | None = UNSET


class ApiKey(msgspec.Struct, kw_only=True):
    """A key as shown; its secret only in the answer that created it."""

    id: UUID
    name: str
    description: str | None
    purpose: str
    user_id: UUID
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used: datetime | None
    key_prefix: str
    """The first characters of the secret, to recognize it by."""
    model_access: list[UUID]
    requests_per_second: float | None = None
    burst_size: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrent: int | None = None
    allowed_models: list[str] | None = None
    allowed_cidrs: list[str] | None = None
    budget: KeyBudgetShown | None = None
    key: str | UnsetType = UNSET
