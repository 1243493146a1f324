"""What one process holds of one account's credit, and which of its calls wait for more (ADR 0029). Pure.

    held = free + reserved + charged and not known to be committed

A call takes its reservation out of what is free, and gives back what it did not cost. What it cost stays held until the
ledger has it. Only a grant makes `held` larger, only a commit or a report makes it smaller; in between money just moves
inside. So the sum is kept, and what is reserved follows from it: a call changes as few numbers as there can be. Nothing
is taken after `until`, which is well before the lease's end by the database's clock, whatever this process's clock says
the time is.

Inside, amounts are whole numbers of the smallest one (usage/money.py): each call adds some and takes some off, which
takes three times as long with Decimals. Reports, grants and what others see are Decimals.

A call with budgets reserves from several pockets: from all of them at once, or it waits for one after another
(claims.py).
"""

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from math import ceil, inf

from dwctl.usage.credit.leases import Grant, Report, Terms
from dwctl.usage.credit.reservation import Ahead, Reservation
from dwctl.usage.money import ONE, amount_of, units_of

SPENT_OF_LEASE = 0.75
"""Part of a lease's time in which its credit is spent; the rest covers clocks that run at different speeds."""
RENEW_OF_LEASE = 0.25
"""Part of a lease's time after which it is reported again."""
MAX_NEEDS = 1000
"""Calls that one report speaks of."""
CALLS_AHEAD = 4
"""At least so many reservations of the usual size are kept ahead where there is enough."""
FRESH = 1.0
"""Seconds for which the database's answer is believed; while calls wait it is asked much more often."""
MOST_AHEAD = 1_000_000_000_000 * ONE
"""No more is kept ahead."""
LEAST_SPAN = 0.25
"""Seconds over which use is measured at least: a first call is no rush."""


class Shortage(Enum):
    """Why a call gets no credit."""

    EMPTY = "empty"
    """There is none: 402."""
    UNKNOWN = "unknown"
    """Nobody can tell now, for the database or a process that may have some does not answer: 503."""


class Waiter:
    """One call that waits."""

    __slots__ = ("since", "told", "units")

    def __init__(self, units: int, since: int, told: Callable[[Reservation | Shortage], None]) -> None:
        self.units = units
        self.since = since
        """Reports with a larger serial speak of it."""
        self.told = told


class Pocket:
    """Of one account; of a budget: limited.py."""

    __slots__ = (
        "_covered",
        "_heard",
        "_heard_at",
        "_idle",
        "_level",
        "_marks",
        "_met",
        "_renew_at",
        "_reported_at",
        "_sent",
        "_spoken",
        "_stale",
        "_sum",
        "_uncommitted",
        "account",
        "bare",
        "fresh",
        "largest",
        "limit",
        "low_at",
        "spare",
        "typical",
        "until",
        "used",
        "used_at",
        "waiters",
    )

    def __init__(self, account: str, now: float) -> None:
        self.account = account
        self.limit: Decimal | None = None
        """The budget by which it is filled; None for the credit of an account."""
        self.spare = 0
        """What is free; below zero when calls cost more than they had reserved."""
        self._sum = 0
        """Free, reserved, and charged and not known to be committed."""
        self._uncommitted = 0
        """Of the charges those that have a mark."""
        self.until = now
        """Monotonic seconds; nothing is taken afterwards."""
        self.bare = True
        """Keeps nothing free."""
        self.typical = 0
        """What calls reserve, about."""
        self.waiters: dict[Waiter, None] = {}
        """In their order."""
        self.used = 0
        """Reserved since the last report."""
        self.largest = 0
        """Of these, the largest."""
        self.used_at = now
        self._reported_at = now
        self._renew_at = now
        self._level = 0
        """What is to be kept ahead."""
        self.low_at = 0
        """When less of it is left there should be more, unless it is bare; never below zero."""
        self.fresh = 0
        """Charged, and without a mark yet."""
        self._marks: deque[tuple[int, int]] = deque()
        """Charges, with how many records had been noted when theirs were."""
        self._sent = 0
        """Serial of the last report."""
        self._stale = 0
        """Answers up to this serial were made by another budget."""
        self._spoken: tuple[Waiter, ...] = ()
        """Whom it speaks of."""
        self._covered = 0
        """What the lease is for, as far as it is known here."""
        self._heard = 0
        """Serial of the last report that was answered."""
        self._heard_at = now
        """When that was sent."""
        self._idle = True
        """Whether others may have had something free then."""
        self._met = True
        """Whether there was enough for all."""

    @property
    def free(self) -> Decimal:
        """What calls may reserve; below zero when some cost more than they had reserved."""
        return amount_of(self.spare)

    @property
    def held(self) -> Decimal:
        """What the lease has to cover."""
        return amount_of(self._held)

    @property
    def unsettled(self) -> Decimal:
        """Charged, and not known to be committed."""
        return amount_of(self._uncommitted + self.fresh)

    @property
    def reserved(self) -> Decimal:
        """By calls under way."""
        return amount_of(self.promised)

    @property
    def promised(self) -> int:
        """The same in units."""
        return self._sum - self.spare - self._uncommitted - self.fresh

    @property
    def _held(self) -> int:
        return self._sum - self.spare if self.spare < 0 else self._sum

    @property
    def low(self) -> bool:
        """Whether less is kept ahead than should be."""
        return not self.bare and self.spare < self.low_at

    def covers(self, units: int, now: float) -> bool:
        """Whether it has that, for a call that comes now."""
        return not (self.spare < units or self.waiters or now >= self.until)

    def expect(self, units: int) -> None:
        """A call of this size is about to come here: something is to be there for it."""
        self.typical = max(self.typical, units)

    def take(self, units: int, now: float) -> Reservation:
        """Take it out of what is free, which covers it; one that has nothing else to take: the book's `reserve`."""
        self.used_at = now
        return self._take(units)

    def settle(self, units: int, cost: int) -> bool:
        """A call has ended; whether it cost more than it had reserved."""
        self.spare += units - cost
        self.fresh += cost
        return cost > units

    def wait(self, units: int, now: float, told: Callable[[Reservation | Shortage], None]) -> Waiter:
        """Be told once: of the reservation, or that there is none."""
        waiter = Waiter(units, self._sent, told)
        self.waiters[waiter] = None
        self.used_at = now
        return waiter

    def leave(self, waiter: Waiter) -> bool:
        """The call waits no more; whether it did."""
        return waiter in self.waiters and self.waiters.pop(waiter) is None

    def shortage(self, waiter: Waiter, now: float) -> Shortage:
        """What to tell a call that has waited long enough; an answer that is not fresh tells nothing."""
        fresh = self._heard > waiter.since and now - self._heard_at <= FRESH
        if fresh and not self._met and not self._idle and self.spare <= 0:
            return Shortage.EMPTY
        return Shortage.UNKNOWN

    def committed(self, noted: int, done: int) -> None:
        """So many records have been noted until now, and the first `done` of them are committed."""
        if self.fresh:
            self._marks.append((noted, self.fresh))
            self._uncommitted += self.fresh
            self.fresh = 0
        while self._marks and self._marks[0][0] <= done:
            charged = self._marks.popleft()[1]
            self._uncommitted -= charged
            self._sum -= charged

    def is_due(self, now: float, ahead: Ahead) -> bool:
        """Whether there is something to report."""
        if self.waiters or now >= self._renew_at or self.spare < 0:
            return True
        if self.bare:
            return self._held < self._covered or self.spare > 0
        return self.low or now - self.used_at > ahead.idle

    def is_open(self) -> bool:
        """Whether it will have something to report soon: calls that wait, or charges whose commit frees credit here."""
        return bool(self.waiters) or (self.bare and self._uncommitted + self.fresh > 0)

    def is_done(self, now: float, ahead: Ahead) -> bool:
        """Whether it may be forgotten: the database knows that it holds nothing."""
        nothing = self._heard == self._sent and not (self._covered or self._held or self.waiters)
        return nothing and now - self.used_at > ahead.idle

    def report(self, serial: int, now: float, ahead: Ahead) -> Report:
        """What to say now. What is given back with it is gone at once, whatever becomes of the report."""
        lapsed = now >= self.until
        idle = now - self.used_at > ahead.idle and not self.waiters
        self._measure(now, ahead)
        if self.waiters or lapsed or idle:
            self.bare = True
        if self.bare or self.spare < 0:
            self._sum -= self.spare
            self.spare = 0
        self._sent = serial
        self._reported_at = now
        self._renew_at = now + 1.0
        needs = self._spoken = tuple(self.waiters)[:MAX_NEEDS]
        self._covered = self._held
        return Report(
            serial=serial,
            held=amount_of(self._covered),
            needs=tuple(amount_of(waiter.units) for waiter in needs),
            want=amount_of(0 if idle else max(0, self._level - self.spare)),
            least=amount_of(self.typical),
            bare=self.bare,
        )

    def end(self) -> None:
        """No call is under way any more: one that has no end by now is charged nothing."""
        self._sum -= self.promised
        self.used_at = -inf

    def granted(self, grant: Grant, sent_at: float, now: float, terms: Terms) -> None:
        """The answer to the report that was sent at that moment; an older one's is too late."""
        if grant.serial != self._sent:
            return
        self._heard = grant.serial
        self._heard_at = sent_at
        self._idle = grant.idle
        self._met = grant.met
        if grant.serial > self._stale:
            self.until = sent_at + terms.lasts * SPENT_OF_LEASE
        self._renew_at = sent_at + terms.lasts * RENEW_OF_LEASE
        self.bare = grant.scarce
        given = units_of(grant.amount)
        self._covered += given
        self._sum += given
        self.spare += given
        self.serve(now)
        if not grant.scarce:
            # What there is for now; to ask for more at once would give nothing else.
            self.low_at = max(0, min(self.low_at, _half(self.spare)))
        if not grant.met and not self._covered and not grant.elsewhere:
            # Nobody has anything that could come back.
            for waiter in self._spoken:
                if self.leave(waiter):
                    waiter.told(Shortage.EMPTY)
        self._spoken = ()

    def serve(self, now: float) -> None:
        """Let calls go on in their order, as far as what is free reaches."""
        while self.waiters and now < self.until:
            waiter = next(iter(self.waiters))
            if self.spare < waiter.units:
                return
            del self.waiters[waiter]
            waiter.told(self._take(waiter.units))

    def _take(self, units: int) -> Reservation:
        self.spare -= units
        self.used += units
        if units > self.largest:
            self.largest = units
        return Reservation(self, units)

    def _measure(self, now: float, ahead: Ahead) -> None:
        """How much to keep ahead, from what was used since the last report."""
        waiting = [waiter.units for waiter in self.waiters]
        largest = max(self.largest, *waiting) if waiting else self.largest
        if largest:
            self.typical = max(largest, _half(self.typical))
        factor = ceil(ahead.seconds / max(now - self._reported_at, LEAST_SPAN))
        wanted = max((self.used + sum(waiting)) * factor, CALLS_AHEAD * self.typical)
        self._level = min(wanted, MOST_AHEAD)
        self.low_at = _half(self._level)
        self.used = self.largest = 0


def _half(units: int) -> int:
    """Of an odd number the larger half."""
    return -(-units // 2)
