"""The state of all limits of a process: asked before a call and before each attempt, told when they end.

Nothing here waits, and everything is decided before anything is taken: a refused call takes nothing anywhere. State
is found by the id of what is limited, so it outlives every reload of the snapshot; a changed limit is taken over at the
next call. Two old entries are looked at whenever a new one comes, and forgotten when that changes nothing: keys which
come and go leave nothing behind, and nobody ever walks through all.
"""

import time
from collections import deque
from collections.abc import Callable

from dwctl.routing.limit_table import SharedTable
from dwctl.routing.limits import Kind, Limited, Limits, Scope
from dwctl.routing.tally import CONCURRENCY_WAIT, Refusal, Tally

LOOK_AT = 2


class Slot:
    """What a call or an attempt has taken; given back exactly once, whatever is called how often."""

    __slots__ = ("_book", "tallies")

    def __init__(self, book: "LimitBook", tallies: tuple[Tally, ...]) -> None:
        self._book = book
        self.tallies = tallies

    def release(self, tokens: int | None = None) -> None:
        """It has ended and used so many tokens, as far as anybody knows."""
        tallies, self.tallies = self.tallies, ()
        for tally in tallies:
            if tokens and tally.token_bucket is not None:
                tally.charge(self._book.now(), tokens)
            tally.leave()

    def join(self, other: "Slot") -> None:
        """Give back with this one what another has taken."""
        self.tallies += other.tallies
        other.tallies = ()

    def undo(self) -> None:
        """It did not take place: neither a slot nor a unit of a rate is gone."""
        tallies, self.tallies = self.tallies, ()
        for tally in tallies:
            tally.undo()


class LimitBook:
    """One for each process; with a shared table the limits hold across all processes that have it."""

    def __init__(
        self, shared: SharedTable | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._table = shared
        self._clock = clock
        self._epoch = clock() if shared is None else shared.epoch
        self._tallies: dict[str, Tally] = {}
        self._oldest: deque[Tally] = deque()
        self._nothing = Slot(self, ())
        self.unshared = 0
        """Limits for which the shared table had no room."""

    def __len__(self) -> int:
        """Limits that have a state."""
        return len(self._tallies)

    def now(self) -> float:
        """Seconds since the book or its table was made."""
        return self._clock() - self._epoch

    def admit(self, model: Limits | None, key: Limits | None) -> Slot | Refusal:
        """One call, in the order of the contract: rate of the model, rate of the key, concurrency of the two."""
        return self._take(model, Scope.MODEL, key, Scope.KEY)

    def take(self, target: Limited) -> Slot | Refusal:
        """One attempt at a target; release the slot when the attempt has ended, with its tokens."""
        if target.limits is None and target.provider_limits is None:
            return self._nothing
        return self._take(target.limits, Scope.TARGET, target.provider_limits, Scope.PROVIDER)

    def _take(
        self, outer: Limits | None, outer_scope: Scope, inner: Limits | None, inner_scope: Scope
    ) -> Slot | Refusal:
        now = self._clock() - self._epoch
        first = second = None
        if outer is not None:
            first = self._tally(outer, now)
            if not first.look(now):
                return first.refusal(outer_scope)
        if inner is not None:
            second = self._tally(inner, now)
            if not second.look(now):
                return second.refusal(inner_scope)
        if first is not None and first.most is not None and first.full(now):
            return Refusal(outer_scope, Kind.CONCURRENCY, CONCURRENCY_WAIT, first)
        if second is not None and second.most is not None and second.full(now):
            return Refusal(inner_scope, Kind.CONCURRENCY, CONCURRENCY_WAIT, second)
        if second is None:
            if first is None:
                return self._nothing
            first.enter()
            return Slot(self, (first,))
        second.enter()
        if first is None:
            return Slot(self, (second,))
        first.enter()
        return Slot(self, (first, second))

    def _tally(self, limits: Limits, now: float) -> Tally:
        tally = self._tallies.get(limits.id)
        if tally is None:
            return self._new(limits, now)
        if tally.limits is not limits:
            tally.adapt(limits, now)
        tally.used_at = now
        return tally

    def _new(self, limits: Limits, now: float) -> Tally:
        for _ in range(min(LOOK_AT, len(self._oldest))):
            old = self._oldest.popleft()
            if old.idle(now):
                self.unshared -= not old.shared
                old.forget()
                del self._tallies[old.limits.id]
            else:
                self._oldest.append(old)
        tally = self._tallies[limits.id] = Tally(limits, now, self._table)
        self._oldest.append(tally)
        self.unshared += not tally.shared
        return tally
