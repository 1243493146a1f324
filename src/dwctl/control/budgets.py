"""Budgets in bodies and answers of the admin API, and what the owner of a key may do to its budget (ADR 0032). Pure."""

from datetime import datetime
from decimal import Decimal

import msgspec

from dwctl.core.errors import BadRequest, Forbidden
from dwctl.usage.amounts import amount_fault
from dwctl.usage.budgets.windows import Period, day_of, window
from dwctl.usage.money import plain
from dwctl.usage.prices import ZERO
from dwctl.web.body import Body


class BudgetWanted(Body, kw_only=True):
    """What may be spent in each period of the calendar in UTC; weeks begin on Monday, and `total` never ends."""

    amount: Decimal
    """In credits, from 0 on: with 0 nothing but free models can be called."""
    period: Period


class BudgetShown(msgspec.Struct, frozen=True, kw_only=True):
    """A budget and how it stands. Amounts are decimal strings."""

    amount: str
    period: Period
    spent: str
    """Charged for calls that began in the period that is now; without calls under way."""
    remaining: str
    """Never below 0, though a last call may have gone over it."""
    resets_at: datetime | None
    """When the next period begins; null when none does."""


class KeyBudgetShown(BudgetShown, frozen=True, kw_only=True):
    """Of a key."""

    ceiling: str | None
    """What an administrator has set: the key's owner may go below it. Null when the owner is free."""


class Set(msgspec.Struct, frozen=True, kw_only=True):
    """A budget as it is stored; a key without a budget has none of these."""

    amount: Decimal
    period: Period
    ceiling: Decimal | None = None


def check(wanted: BudgetWanted) -> None:
    """Refuse an amount that cannot be."""
    if wanted.amount and (fault := amount_fault(wanted.amount)) is not None:
        raise BadRequest(f"budget.amount: {fault}, or 0, got '{wanted.amount}'")


def decided(current: Set | None, wanted: BudgetWanted | None, *, by_administrator: bool) -> Set | None:
    """The budget of a key when somebody wants another one, or none; raises 403 where its owner may not.

    What an administrator sets, the owner may lower and raise again up to that, in the same period.
    """
    if by_administrator:
        ceiling = None if wanted is None else wanted.amount
    elif current is None or current.ceiling is None:
        ceiling = None
    else:
        ceiling = current.ceiling
        if wanted is None or wanted.period != current.period or wanted.amount > ceiling:
            every = "in total" if current.period == "total" else f"per {current.period}"
            raise Forbidden(
                f"An administrator has limited this key to {plain(ceiling)} {every}; "
                "you may set a lower amount of the same period"
            )
    return None if wanted is None else Set(amount=wanted.amount, period=wanted.period, ceiling=ceiling)


def shown(budget: Set, spent: Decimal, now: float) -> BudgetShown:
    """As it stands."""
    return BudgetShown(
        amount=plain(budget.amount),
        period=budget.period,
        spent=plain(spent),
        remaining=plain(max(budget.amount - spent, ZERO)),
        resets_at=window(budget.period, day_of(now)).resets_at,
    )


def shown_of_key(budget: Set, spent: Decimal, now: float) -> KeyBudgetShown:
    """As it stands, for the key's owner."""
    known = shown(budget, spent, now)
    ceiling = None if budget.ceiling is None else plain(budget.ceiling)
    return KeyBudgetShown(**msgspec.structs.asdict(known), ceiling=ceiling)
