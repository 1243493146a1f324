"""Credit leases of one account, as they stand in the database: who may still use how much of it (ADR 0029). Pure.

A lease says how much of the account its holder, one process, may yet cause to be charged: what it keeps free, what its
calls under way have reserved, and what has been charged and is not known to be committed. So

    available = balance - all that is outstanding

is what nobody has been promised. A holder reports what it holds as a whole, not a difference: a report that is lost, or
whose answer is lost, is mended by the next one, and one that comes late is known by its serial number and changes
nothing.

Credit is given to calls that wait as long as something is available, so the last of them may go over it, and only that
one: afterwards nothing is available to anybody. More than what waits is given only out of what is there, in small parts
when that is little.

**States of a lease.** `kept`: its holder keeps some credit ahead of its calls. `bare`: it keeps none, and gives back at
once what its calls leave. A kept lease becomes bare when somebody else lacks credit (recall) or when there is too
little to keep. `lapsed`: its end has passed without a word; its holder begins nothing more with it. A lease goes away
when its holder has ended and its spool is committed (`end`), or long after it lapsed (`abandon`): then what it still
charges, at most what was outstanding, may go over the balance.
"""

from decimal import ROUND_DOWN, Decimal
from typing import Final

import msgspec

ZERO: Final = Decimal(0)
UNIT: Final = Decimal("1e-15")
"""The smallest amount."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What all processes agree on, in seconds."""

    lasts: float = 60.0
    """From a report to the lease's end, by the database's clock."""
    abandon_after: float = 3600.0
    """From its end until a lease of a process that nobody has heard of is given to others."""


class Lease(msgspec.Struct, kw_only=True):
    """One row."""

    outstanding: Decimal
    serial: int
    """Of the newest report."""
    bare: bool
    recalled: bool
    """Somebody lacks what is kept here; its holder learns it by a notice, or with its next report."""
    expires_at: float
    """Unix seconds of the database's clock."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a process says of its pocket, and asks for."""

    serial: int
    """Rises with every report of the process."""
    held: Decimal
    """Free, reserved and not known to be committed. What is not in it has been given back."""
    needs: tuple[Decimal, ...] = ()
    """Reservations of the calls that wait, in their order."""
    want: Decimal = ZERO
    """How much more it would like to keep ahead."""
    least: Decimal = ZERO
    """Less than this is of no use to keep."""
    bare: bool = False
    """It keeps nothing free."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a report."""

    serial: int
    """Of the report."""
    amount: Decimal
    """More to hold from now on."""
    scarce: bool
    """Keep nothing free: there is too little, or somebody lacks it."""
    met: bool
    """Whether all that wait can go on."""
    elsewhere: Decimal
    """Outstanding of other holders."""
    idle: bool
    """Whether some of that may be free: its holder has not given it back yet, or is not heard of."""
    recall: bool
    """Whether holders are to be told that somebody lacks credit."""


class Account:
    """The leases of one account and its balance, locked by whoever decides."""

    def __init__(self, balance: Decimal, leases: dict[str, Lease]) -> None:
        self.balance = balance
        """Sum of the ledger's entries that are committed."""
        self.leases = leases
        """By holder."""

    @property
    def available(self) -> Decimal:
        """What nobody has been promised; below zero after the last reservation went over."""
        return self.balance - sum((lease.outstanding for lease in self.leases.values()), ZERO)

    def report(self, holder: str, report: Report, now: float, terms: Terms) -> Grant | None:
        """Take a report and answer it; None when it came late. `now` is the database's time."""
        mine = self.leases.get(holder)
        if mine is not None and report.serial <= mine.serial:
            return None
        self.abandon(now, terms, holder)
        others = [lease for name, lease in self.leases.items() if name != holder]
        elsewhere = sum((lease.outstanding for lease in others), ZERO)
        available = self.balance - elsewhere - report.held
        needed, met = self._needed(report, available)
        extra = ZERO
        recalled = mine is not None and mine.recalled
        if met and not recalled:
            extra = _ahead(report, available - needed, 2 * (len(others) + 1))
        recall = False
        if not met:
            for lease in others:
                if not lease.bare and lease.outstanding:
                    lease.recalled = recall = True
        left = available - needed
        keeps = bool(extra) or not (report.bare or report.want)
        scarce = recalled or not met or left < ZERO or not keeps
        bare = report.bare and scarce
        self.leases[holder] = Lease(
            outstanding=report.held + needed + extra,
            serial=report.serial,
            bare=bare,
            recalled=recalled and not bare,
            expires_at=now + terms.lasts,
        )
        return Grant(
            serial=report.serial,
            amount=needed + extra,
            scarce=scarce,
            met=met,
            elsewhere=elsewhere,
            idle=any(lease.outstanding and (not lease.bare or lease.expires_at <= now) for lease in others),
            recall=recall,
        )

    def end(self, holder: str) -> None:
        """The holder has ended, and everything that it charged is committed."""
        self.leases.pop(holder, None)

    def abandon(self, now: float, terms: Terms, holder: str | None = None) -> None:
        """Forget leases that nobody will speak of again; not that of the holder who speaks."""
        for name, lease in list(self.leases.items()):
            over = lease.expires_at if not lease.outstanding else lease.expires_at + terms.abandon_after
            if name != holder and over <= now:
                del self.leases[name]

    @staticmethod
    def _needed(report: Report, available: Decimal) -> tuple[Decimal, bool]:
        """For the calls that wait: one after another while anything is there. Whether that was all of them."""
        needed = ZERO
        for need in report.needs:
            if available - needed <= ZERO:
                return needed, False
            needed += need
        return needed, True


def _ahead(report: Report, left: Decimal, parts: int) -> Decimal:
    """To keep ahead: what is wanted, at most one of so many parts of what is left, and nothing that is of no use."""
    if left <= ZERO:
        return ZERO
    extra = min(report.want, (left / parts).quantize(UNIT, ROUND_DOWN))
    return extra if extra >= report.least else ZERO
