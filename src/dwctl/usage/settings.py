"""Settings of credits (contract: `credits.*`, spec/platform §10)."""

from decimal import Decimal

import msgspec


class CreditSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What accounts get."""

    initial_credits_for_standard_users: Decimal = Decimal(0)
    """Credits of somebody who registers."""


NO_CREDIT = CreditSettings()
"""Nobody gets anything."""
