"""What one process holds of one account's credit, and which of its calls wait for more (ADR 0029). Pure.

    held = free + reserved + charged and not known to be committed

A call takes its reservation out of what is free, and gives back what it did not cost. What it cost stays held until the
ledger has it. Only a grant makes `held` larger, only a commit or a report makes it smaller; in between money just moves
inside. So the sum is kept, and what is reserved follows from it: a call changes as few numbers as there can be. Nothing
is taken after `until`, which is well before the lease's end by the database's clock, whatever this process's clock says
the time is.

A call with budgets reserves from several pockets: from all of them at once, or it waits for one after another
(claims.py).
"""

from collections import deque
from collections.abc import Callable
from decimal import ROUND_UP, Decimal
from enum import Enum
from math import ceil, inf

from dwctl.usage.credit.leases import UNIT, ZERO, Grant, Report, Terms
from dwctl.usage.credit.reservation import Ahead, Reservation

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
MOST_AHEAD = Decimal(10**12)
"""No more is kept ahead, so that sums stay exact."""
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

    __slots__ = ("amount", "since", "told")

    def __init__(self, amount: Decimal, since: int, told: Callable[[Reservation | Shortage], None]) -> None:
        self.amount = amount
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
        "_largest",
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
        "_used",
        "_used_at",
        "account",
        "bare",
        "free",
        "fresh",
        "is_low",
        "low_at",
        "typical",
        "until",
        "waiters",
    )

    limit: Decimal | None = None
    """The budget by which it is filled; None for the credit of an account."""

    def __init__(self, account: str, now: float) -> None:
        self.account = account
        self.free = ZERO
        """Below zero when calls cost more than they had reserved."""
        self._sum = ZERO
        """Free, reserved, and charged and not known to be committed."""
        self._uncommitted = ZERO
        """Of the charges those that have a mark."""
        self.until = now
        """Monotonic seconds; nothing is taken afterwards."""
        self.bare = True
        """Keeps nothing free."""
        self.typical = ZERO
        """What calls reserve, about."""
        self.waiters: dict[Waiter, None] = {}
        """In their order."""
        self._used = ZERO
        """Reserved since the last report."""
        self._largest = ZERO
        """Of these, the largest."""
        self._used_at = now
        self._reported_at = now
        self._renew_at = now
        self._level = ZERO
        """What is to be kept ahead."""
        self.low_at = ZERO
        """When less of it is left there should be more, unless it is bare; never below zero."""
        self.is_low = False
        """Whether a call has left less than that since the last report and its answer."""
        self.fresh = ZERO
        """Charged, and without a mark yet."""
        self._marks: deque[tuple[int, Decimal]] = deque()
        """Charges, with how many records had been noted when theirs were."""
        self._sent = 0
        """Serial of the last report."""
        self._stale = 0
        """Answers up to this serial were made by another budget."""
        self._spoken: tuple[Waiter, ...] = ()
        """Whom it speaks of."""
        self._covered = ZERO
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
    def held(self) -> Decimal:
        """What the lease has to cover."""
        return self._sum - self.free if self.free < ZERO else self._sum

    @property
    def unsettled(self) -> Decimal:
        """Charged, and not known to be committed."""
        return self._uncommitted + self.fresh

    @property
    def reserved(self) -> Decimal:
        """By calls under way."""
        return self._sum - self.free - self.unsettled

    @property
    def low(self) -> bool:
        """Whether less is kept ahead than should be."""
        return not self.bare and self.free < self.low_at

    def covers(self, amount: Decimal, now: float) -> bool:
        """Whether it has that, for a call that comes now."""
        return not (self.free < amount or self.waiters or now >= self.until)

    def expect(self, amount: Decimal) -> None:
        """A call of this size is about to come here: something is to be there for it."""
        self.typical = max(self.typical, amount)

    def reserve(self, amount: Decimal, now: float) -> Reservation | None:
        """Take it out of what is free; None when the call has to wait."""
        left = self.free - amount
        # Most calls leave enough, and so they ask no more than this.
        if left < self.low_at:
            self.is_low = not self.bare
            if left < ZERO:
                return None
        if self.waiters or now >= self.until:
            return None
        self._used_at = now
        # As `_take`, without a step in between.
        self.free = left
        self._used += amount
        if amount > self._largest:
            self._largest = amount
        return Reservation(self, amount)

    def take(self, amount: Decimal, now: float) -> Reservation:
        """The same of a pocket that covers it."""
        self._used_at = now
        return self._take(amount, self.free)

    def settle(self, amount: Decimal, cost: Decimal) -> bool:
        """A call has ended; whether it cost more than it had reserved."""
        if not cost:
            self.free += amount
            return False
        left = amount - cost
        self.free += left
        self.fresh += cost
        return left.is_signed()

    def wait(self, amount: Decimal, now: float, told: Callable[[Reservation | Shortage], None]) -> Waiter:
        """Be told once: of the reservation, or that there is none."""
        waiter = Waiter(amount, self._sent, told)
        self.waiters[waiter] = None
        self._used_at = now
        return waiter

    def leave(self, waiter: Waiter) -> bool:
        """The call waits no more; whether it did."""
        return waiter in self.waiters and self.waiters.pop(waiter) is None

    def shortage(self, waiter: Waiter, now: float) -> Shortage:
        """What to tell a call that has waited long enough; an answer that is not fresh tells nothing."""
        fresh = self._heard > waiter.since and now - self._heard_at <= FRESH
        if fresh and not self._met and not self._idle and self.free <= ZERO:
            return Shortage.EMPTY
        return Shortage.UNKNOWN

    def committed(self, noted: int, done: int) -> None:
        """So many records have been noted until now, and the first `done` of them are committed."""
        if self.fresh:
            self._marks.append((noted, self.fresh))
            self._uncommitted += self.fresh
            self.fresh = ZERO
        while self._marks and self._marks[0][0] <= done:
            charged = self._marks.popleft()[1]
            self._uncommitted -= charged
            self._sum -= charged

    def is_due(self, now: float, ahead: Ahead) -> bool:
        """Whether there is something to report."""
        if self.waiters or now >= self._renew_at or self.free < ZERO:
            return True
        if self.bare:
            return self.held < self._covered or self.free > ZERO
        return self.low or now - self._used_at > ahead.idle

    def is_open(self) -> bool:
        """Whether it will have something to report soon: calls that wait, or charges whose commit frees credit here."""
        return bool(self.waiters) or (self.bare and self.unsettled > ZERO)

    def is_done(self, now: float, ahead: Ahead) -> bool:
        """Whether it may be forgotten: the database knows that it holds nothing."""
        nothing = self._heard == self._sent and not (self._covered or self.held or self.waiters)
        return nothing and now - self._used_at > ahead.idle

    def report(self, serial: int, now: float, ahead: Ahead) -> Report:
        """What to say now. What is given back with it is gone at once, whatever becomes of the report."""
        lapsed = now >= self.until
        idle = now - self._used_at > ahead.idle and not self.waiters
        self._measure(now, ahead)
        if self.waiters or lapsed or idle:
            self.bare = True
        if self.bare or self.free < ZERO:
            self._sum -= self.free
            self.free = ZERO
        self._sent = serial
        self.is_low = False
        self._reported_at = now
        self._renew_at = now + 1.0
        needs = self._spoken = tuple(self.waiters)[:MAX_NEEDS]
        self._covered = self.held
        return Report(
            serial=serial,
            held=self._covered,
            needs=tuple(waiter.amount for waiter in needs),
            want=ZERO if idle else max(ZERO, self._level - self.free),
            least=self.typical,
            bare=self.bare,
        )

    def end(self) -> None:
        """No call is under way any more: one that has no end by now is charged nothing."""
        self._sum -= self.reserved
        self._used_at = -inf

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
        self.is_low = False
        self._covered += grant.amount
        self._sum += grant.amount
        self.free += grant.amount
        self.serve(now)
        if not grant.scarce:
            # What there is for now; to ask for more at once would give nothing else.
            self.low_at = max(ZERO, min(self.low_at, (self.free / 2).quantize(UNIT, ROUND_UP)))
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
            if self.free < waiter.amount:
                return
            del self.waiters[waiter]
            waiter.told(self._take(waiter.amount, self.free))

    def _take(self, amount: Decimal, free: Decimal) -> Reservation:
        self.free = free - amount
        self._used += amount
        if amount > self._largest:
            self._largest = amount
        return Reservation(self, amount)

    def _measure(self, now: float, ahead: Ahead) -> None:
        """How much to keep ahead, from what was used since the last report."""
        waiting = [waiter.amount for waiter in self.waiters]
        largest = max(self._largest, *waiting, ZERO) if waiting else self._largest
        if largest:
            self.typical = max(largest, (self.typical / 2).quantize(UNIT, ROUND_UP))
        factor = ceil(ahead.seconds / max(now - self._reported_at, LEAST_SPAN))
        wanted = max((self._used + sum(waiting, ZERO)) * factor, CALLS_AHEAD * self.typical)
        self._level = min(wanted, MOST_AHEAD)
        self.low_at = (self._level / 2).quantize(UNIT, ROUND_UP)
        self._used = self._largest = ZERO
