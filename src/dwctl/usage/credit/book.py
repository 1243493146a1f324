"""All pockets of a process: asked on the path of a call, filled by a service (ADR 0029, 0032). Nothing here waits.

A pocket is found by its name, that of an account or of a budget in a period, and forgotten when it has been idle;
serial numbers of reports are the process's, so that a pocket which comes again does not repeat one.
"""

import time
from collections.abc import Callable, Sequence
from decimal import Decimal

from dwctl.usage.budgets.windows import Purse
from dwctl.usage.credit.leases import ZERO, Grant, Report, Terms
from dwctl.usage.credit.limited import LimitedPocket
from dwctl.usage.credit.pockets import Pocket, Shortage, Waiter
from dwctl.usage.credit.reservation import Ahead, Reservation
from dwctl.usage.money import units_of

MAX_REPORTS = 500
"""Pockets in one question to the database; others wait for the next one."""
LOOK_AT = 500
"""Pockets that are looked at in one turn: less than a millisecond."""


class PocketBook:
    """One for each process."""

    def __init__(
        self,
        terms: Terms | None = None,
        ahead: Ahead | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.terms = terms or Terms()
        self.ahead = ahead or Ahead()
        self.on_due: Callable[[], None] = _nothing
        """Called when a call waits, or something is to be given back; set by the service."""
        self.pockets: dict[str, Pocket] = {}
        """By name; that of an account's credit is the account's id."""
        self._due: dict[str, Pocket] = {}
        """Those that may have something to report; all others are looked at in turn."""
        self._round: list[str] = []
        """Pockets that are yet to be looked at."""
        self.now = clock
        """Its clock."""
        self._serial = 0

    @property
    def has_due(self) -> bool:
        """Whether some pocket may have something to report."""
        return bool(self._due)

    @property
    def reserved(self) -> Decimal:
        """Of accounts' credit, by all calls under way."""
        return sum((pocket.reserved for pocket in self.pockets.values() if pocket.limit is None), ZERO)

    @property
    def held(self) -> Decimal:
        """Of all accounts' credit."""
        return sum((pocket.held for pocket in self.pockets.values() if pocket.limit is None), ZERO)

    @property
    def waiting(self) -> int:
        """Calls that wait for credit, or for what is left of a budget."""
        return sum(len(pocket.waiters) for pocket in self.pockets.values())

    def reserve(self, account: str, amount: Decimal) -> Reservation | None:
        """At once, or None when the call has to wait."""
        return self.reserve_units(account, units_of(amount))

    def reserve_units(self, account: str, units: int) -> Reservation | None:
        """The same of so many of the smallest amount: on the path of a call."""
        pocket = self.pockets.get(account)
        if pocket is None:
            return None
        left = pocket.spare - units
        # Most calls leave enough, and so they ask no more than this.
        if left < pocket.low_at:
            if not pocket.bare:
                self.is_due(pocket)
            if left < 0:
                return None
        now = self.now()
        if pocket.waiters or now >= pocket.until:
            return None
        # As the pocket's `take`, without a step in between.
        pocket.spare = left
        pocket.used_at = now
        pocket.used += units
        if units > pocket.largest:
            pocket.largest = units
        return Reservation(pocket, units)

    def reserve_all(self, account: str, purses: Sequence[Purse], amount: Decimal) -> Reservation | None:
        """The same for a call with budgets: from its account and from each of them, or from none."""
        now, units = self.now(), units_of(amount)
        pockets = self.pockets
        credit = pockets.get(account)
        if credit is None or not credit.covers(units, now):
            return None
        found: list[Pocket] = []
        for name, limit, _ in purses:
            pocket = pockets.get(name)
            if pocket is None or pocket.limit != limit or not pocket.covers(units, now):
                return None
            found.append(pocket)
        others = tuple([pocket.take(units, now) for pocket in found])
        reservation = credit.take(units, now)
        reservation.others = others
        found.append(credit)
        for pocket in found:
            if pocket.low:
                self.is_due(pocket)
        return reservation

    def open(self, account: str, purses: Sequence[Purse], amount: Decimal) -> None:
        """A call of this size is about to take from these pockets: all are asked for at once, by its budgets."""
        now = self.now()
        for name, limit in (*((purse.name, purse.limit) for purse in purses), (account, None)):
            pocket = self.pockets.get(name)
            if pocket is None:
                pocket = Pocket(name, now) if limit is None else LimitedPocket(name, now, limit)
                self.pockets[name] = pocket
                pocket.expect(units_of(amount))
                self.is_due(pocket)
            elif isinstance(pocket, LimitedPocket) and limit is not None and pocket.limit != limit:
                pocket.renew(limit, now)
                self.is_due(pocket)

    def wait(
        self, account: str, amount: Decimal, told: Callable[[Reservation | Shortage], None]
    ) -> tuple[Pocket, Waiter]:
        """Be told once, later; `give_up` and `leave` end it before."""
        now = self.now()
        pocket = self.pockets.get(account)
        if pocket is None:
            pocket = self.pockets[account] = Pocket(account, now)
        waiter = pocket.wait(units_of(amount), now, told)
        self.is_due(pocket)
        return pocket, waiter

    def settle(self, reservation: Reservation, cost: Decimal) -> bool:
        """A call has ended and is charged so much, its record noted; whether that is more than was reserved."""
        return self.settle_units(reservation, units_of(cost))

    def settle_units(self, reservation: Reservation, cost: int) -> bool:
        """The same of so many of the smallest amount: on the path of a call."""
        pocket = reservation.pocket
        if pocket is None:
            return False
        reservation.pocket = None
        left = reservation.units - cost
        if pocket.limit is None:
            # As its `settle`, without a step in between.
            pocket.spare += left
            pocket.fresh += cost
        else:
            pocket.settle(reservation.units, cost)
        # What is free is below zero only by what a call cost beyond its reservation.
        if pocket.bare or (left < 0 and pocket.spare < 0):
            self.is_due(pocket)
        if reservation.others:
            for other in reservation.others:
                self.settle_units(other, cost)
        return left < 0

    def shrink(self, reservation: Reservation, cost: Decimal) -> None:
        """It is known what a part of a call has cost, but not noted yet: no more than that stays reserved."""
        units = units_of(cost)
        pocket, left = reservation.pocket, reservation.units - units
        if pocket is not None and left > 0:
            reservation.units = units
            pocket.settle(left, 0)
            if pocket.bare:
                self.is_due(pocket)
        for other in reservation.others:
            self.shrink(other, cost)

    def give_up(self, pocket: Pocket, waiter: Waiter) -> None:
        """It has waited long enough: tell it so, unless it was told already."""
        if pocket.leave(waiter):
            waiter.told(pocket.shortage(waiter, self.now()))

    def recall(self, account: str) -> None:
        """Somebody lacks credit of this account."""
        pocket = self.pockets.get(account)
        if pocket is not None and not pocket.bare:
            pocket.bare = True
            self.is_due(pocket)

    def look_on(self) -> None:
        """Look at the next pockets in turn: some have to be reported again, some are idle."""
        if not self._round:
            self._round = list(self.pockets)
        for account in self._round[-LOOK_AT:]:
            pocket = self.pockets.get(account)
            if pocket is not None:
                self._due[account] = pocket
        del self._round[-LOOK_AT:]

    def reports(self, noted: int, done: int) -> dict[str, Report]:
        """What is to be told now, by account; so many records were noted, the first `done` of them are committed.

        What waits or is to be given back stays due until it is answered.
        """
        now = self.now()
        reports: dict[str, Report] = {}
        due, self._due = self._due, {}
        for account, pocket in due.items():
            if len(reports) == MAX_REPORTS:
                self._due.setdefault(account, pocket)
                continue
            pocket.committed(noted, done)
            pocket.serve(now)
            if pocket.is_done(now, self.ahead):
                self.pockets.pop(account, None)
                continue
            if pocket.is_due(now, self.ahead):
                reports[account] = self._report(pocket, now)
            if pocket.is_open():
                self._due[account] = pocket
        return reports

    def last_reports(self, noted: int, done: int) -> dict[str, Report]:
        """The process ends: everything goes back that is not charged and uncommitted."""
        now = self.now()
        for pocket in self.pockets.values():
            pocket.committed(noted, done)
            pocket.end()
        return {account: self._report(pocket, now) for account, pocket in self.pockets.items()}

    def granted(self, grants: dict[str, Grant], sent_at: float) -> None:
        """The answers to reports that were sent at that moment, by the clock of this book."""
        now = self.now()
        for account, grant in grants.items():
            pocket = self.pockets.get(account)
            if pocket is not None:
                pocket.granted(grant, sent_at, now, self.terms)

    def is_due(self, pocket: Pocket) -> None:
        """A pocket may have something to report."""
        self._due[pocket.account] = pocket
        self.on_due()

    def _report(self, pocket: Pocket, now: float) -> Report:
        self._serial += 1
        return pocket.report(self._serial, now, self.ahead)


def _nothing() -> None:
    """Nobody fills pockets yet."""
