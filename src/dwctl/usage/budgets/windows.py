"""Budgets, their periods, and the pocket in which what is left of one lies (ADR 0032). Pure.

Periods are those of the calendar in UTC. A call belongs to the period in which it is admitted, by the clock of the
process that admits it; its record keeps that moment. So a period begins without anybody doing anything: calls ask for a
pocket of another name, of which nothing has been spent yet.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, NamedTuple

import msgspec

Period = Literal["day", "week", "month", "total"]
Scope = Literal["account", "key"]

EVER: Final = "-infinity"
"""In place of a day: the sum of all days."""
_DAY: Final = 86_400
_EPOCH: Final = date(1970, 1, 1).toordinal()


class Budget(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What may be spent in each period."""

    scope: Scope
    id: str
    """Of the account or the key."""
    name: str
    """How the one who calls knows it."""
    amount: Decimal
    period: Period


class Window(NamedTuple):
    """One period: from the first moment of one day to the first of another, or for ever."""

    first: date | None
    after: date | None

    @property
    def days(self) -> tuple[str, str]:
        """The first and the last day whose charges count, as the counters have them."""
        if self.first is None or self.after is None:
            return EVER, EVER
        return self.first.isoformat(), (self.after - timedelta(days=1)).isoformat()

    @property
    def resets_at(self) -> datetime | None:
        """When the next one begins."""
        return (
            None
            if self.after is None
            else datetime(self.after.year, self.after.month, self.after.day, tzinfo=UTC)
        )


ALWAYS: Final = Window(None, None)


class Purse(NamedTuple):
    """A pocket that a call needs beside its account's credit."""

    name: str
    limit: Decimal
    """What the budget is; a pocket that was filled by another one is asked for anew."""
    budget: Budget


class Place(NamedTuple):
    """What a pocket's name says."""

    scope: Scope | None
    """None for the credit of an account."""
    id: str
    window: Window


def day_of(now: float) -> date:
    """The day in UTC of a moment in unix seconds, as the ledger keeps it of a call."""
    return date.fromordinal(_EPOCH + int(now // _DAY))


def window(period: Period, day: date) -> Window:
    """The period that a day lies in."""
    if period == "day":
        return Window(day, day + timedelta(days=1))
    if period == "week":
        first = day - timedelta(days=day.weekday())
        return Window(first, first + timedelta(days=7))
    if period == "month":
        first = day.replace(day=1)
        return Window(first, (first + timedelta(days=31)).replace(day=1))
    return ALWAYS


class Budgets:
    """Those of a key, in the order in which they are taken: the narrowest first.

    So nobody who waits for a key's budget keeps the account's from others. What they came to is kept for the day.
    """

    __slots__ = ("_from", "_purses", "_until", "all")

    def __init__(self, budgets: Iterable[Budget]) -> None:
        self.all = tuple(budgets)
        self._from = self._until = 0.0
        self._purses: tuple[Purse, ...] = ()

    def purses(self, now: float) -> tuple[Purse, ...]:
        """The pockets of a call that is admitted now, in unix seconds."""
        if not self._from <= now < self._until:
            day = day_of(now)
            self._from = now // _DAY * _DAY
            self._until = self._from + _DAY
            self._purses = tuple(Purse(_name(each, day), each.amount, each) for each in self.all)
        return self._purses


def purses(budgets: Iterable[Budget], now: float) -> tuple[Purse, ...]:
    """The same, for once."""
    return Budgets(budgets).purses(now)


def place(name: str) -> Place:
    """Whose pocket a name is, and of which period."""
    scope, _, rest = name.partition(":")
    if not rest:
        return Place(None, name, ALWAYS)
    ident, period, first = rest.split(":")
    known: Scope = "key" if scope == "key" else "account"
    if not first:
        return Place(known, ident, ALWAYS)
    return Place(known, ident, window(msgspec.convert(period, Period), date.fromisoformat(first)))


def _name(budget: Budget, day: date) -> str:
    first = window(budget.period, day).first
    return f"{budget.scope}:{budget.id}:{budget.period}:{'' if first is None else first.isoformat()}"
