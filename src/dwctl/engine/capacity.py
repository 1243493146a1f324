"""How many calls of batches one model's upstream may run beside interactive ones (decision 0036). Pure.

Each process keeps one `Capacity` for each model and tells it what its interactive calls meet: how long their first
tokens took, and refusals. What it governs is the number of calls in flight of both kinds, the *limit*; batches get what
interactive calls leave of it. So room is made and taken back with every interactive call, before anybody suffers, and
only the limit has to be learned:

    free      nothing is known against it: it rises by a share of itself each second, while it is what holds batches
              back
    yielding  trouble: it falls to a share of what was in flight, which is remembered as the *mark*; after a pause
              again, if trouble goes on
    kept      within seconds it is back at a margin below the mark, and stays there: at the mark calls would queue
    probing   after a while it rises slowly. Trouble gives a new mark, and the next probe waits longer where it confirms
              the old one; enough calls in good time at the mark raise it

Trouble is a refusal, or first tokens later than this process saw them while batches were at their floor: mean and
spread of the logarithms. One slow call says nothing, for prompts differ: excesses add up, calls in good time take from
the sum, and only past a bound it is trouble (a one-sided CUSUM). When batches are at their floor already, it is not
theirs.

With several processes each publishes `published` and its interactive calls in flight; whoever runs batches takes the
least of the first and the sum of the second (`allowance`). A process that has seen neither an interactive call nor a
refusal holds nobody back.

Nothing is kept across a restart: with its first interactive call a new process begins at the floor, and it learns
within seconds.
"""

import math
from collections.abc import Iterable
from typing import Annotated

import msgspec

_LEAST = 1e-4
"""Seconds; a first token sooner than this counts as this."""
_MOST_EXCESS = 3.0
"""Spreads; one call counts for no more."""
_LEAST_SPREAD = 0.15
_LEAST_ALLOWED = 0.5
"""Spreads; so much above the mean is chance, however wide the spread."""
_LEARN_LEAST = 3
_SETTLED = 10.0
"""Seconds after batches came to the floor, before calls are free of the queue that they left behind."""
_GATHERED = 0.25
"""Seconds; calls in so short a time are judged together, so that a busy model does not give more false alarms."""
_EVIDENCE = 5.0
"""Seconds since the last interactive call in which a limit may be tried above the margin."""
_LONGEST_STEP = 2.0
"""Seconds; time in which nobody looked moves a limit by no more than this."""
_USED = 0.9
"""A limit of which less is in flight is not what holds batches back, and does not rise."""
_MENDED = 0.9
"""What is left of a mark when falling below it did not end the trouble; proof raises one by as much."""


Positive = Annotated[int, msgspec.Meta(ge=1)]
Above = Annotated[float, msgspec.Meta(gt=0)]
NotBelow = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class AdaptiveSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a limit moves; seconds where nothing else is said. The simulation of decision 0036 gave the defaults."""

    enabled: bool = True
    """Whether batches yield at all."""
    floor: Positive = 1
    """Calls of batches that may always run, so that none waits for ever."""
    tolerance: Annotated[float, msgspec.Meta(ge=1)] = 1.25
    """First tokens up to so many times the usual are in good time."""
    alarm: Above = 7.0
    """The sum of excesses, in spreads, that is trouble."""
    learn: Positive = 40
    """Interactive calls that say what is usual; until then batches stay at the floor."""
    learn_within: NotBelow = 60.0
    """At the floor, after which three of them do."""
    memory: Positive = 200
    """Calls back to which the usual goes."""
    decrease: Share = 0.7
    """What is left of the calls in flight after trouble."""
    pause: NotBelow = 2.0
    """After a decrease, in which nothing counts: what runs is not interrupted, so the effect takes a while."""
    rise: NotBelow = 0.1
    """Share of itself by which a free limit rises in a second; at least one call."""
    margin: Share = 0.8
    """Share of the mark at which the limit is kept."""
    recover_within: Above = 5.0
    """From a decrease back to the margin."""
    probe_after: NotBelow = 60.0
    """Without trouble, before the limit is tried above the margin; doubled each time that the mark is confirmed."""
    probe_after_most: NotBelow = 960.0
    """The longest such time."""
    probe_rise: NotBelow = 0.01
    """Share of the mark by which a probing limit rises in a second."""
    proof: Positive = 20
    """Times that interactive calls at the mark are in good time, which raise it."""
    alone: NotBelow = 30.0
    """Without an interactive call, after which a probe is given up: nothing would tell its end. For more calls to learn
    from, batches wait twice as long for each call so far, `quiet` at most: a single one does not hold them up long."""
    quiet: NotBelow = 300.0
    """Without an interactive call, after which the mark does not count until the next one."""


class CapacitySettings(AdaptiveSettings, frozen=True, kw_only=True):
    """The same for one model."""

    ceiling: int = 64
    """Calls of batches that never are exceeded."""


def allowance(limits: Iterable[float], interactive: int, settings: CapacitySettings) -> int:
    """The cap on calls of batches in flight: what the strictest process's limit leaves beside all interactive calls."""
    room = min(limits, default=math.inf) - interactive
    return int(max(settings.floor, min(room, settings.ceiling)))


class Watch:
    """Tells trouble from chance in the times to first token of one model, as one process sees them."""

    __slots__ = ("_count", "_enough", "_mean", "_recent", "_settings", "_sum", "_variance")

    def __init__(self, settings: CapacitySettings) -> None:
        self._settings = settings
        self._count = 0
        self._enough = settings.learn
        self._mean = 0.0
        self._variance = 0.0
        self._recent = 0.0
        self._sum = 0.0

    @property
    def baseline(self) -> float | None:
        """Usual seconds to the first token (their geometric mean); None before it is learned."""
        return math.exp(self._mean) if self._count >= self._enough else None

    def hurry(self) -> None:
        """Calls are rare: fewer of them have to do."""
        self._enough = min(self._settings.learn, _LEARN_LEAST)

    def learn(self, ttft: float) -> None:
        """A call that no batch has delayed."""
        value = math.log(max(ttft, _LEAST))
        self._count = min(self._count + 1, self._settings.memory)
        off = value - self._mean
        self._mean += off / self._count
        self._variance += (off * (value - self._mean) - self._variance) / self._count
        self._recent = self._mean

    def late(self, waited: float) -> bool:
        """A call that still waits. It may add to the sum and never takes from it, for it is not over."""
        self._sum += max(0.0, self._excess(math.log(max(waited, _LEAST))))
        return self._sum >= self._settings.alarm

    def trouble(self, ttft: float) -> bool:
        """A call beside batches, or the geometric mean of some. Whether, with those before, it is more than chance."""
        value = math.log(max(ttft, _LEAST))
        self._sum = max(0.0, self._sum + self._excess(value))
        # An upstream that became faster shows under load too; one that became slower only without.
        self._recent += (value - self._recent) / self._settings.memory
        self._mean = min(self._mean, self._recent)
        return self._sum >= self._settings.alarm

    def forgive(self) -> None:
        """What was seen so far has had its consequence."""
        self._sum = 0.0

    def _excess(self, value: float) -> float:
        """How far above what is in good time, in spreads."""
        spread = max(math.sqrt(max(self._variance, 0.0)), _LEAST_SPREAD)
        # What few calls say of the usual is not certain either.
        allowed = max(math.log(self._settings.tolerance) / spread, _LEAST_ALLOWED) + 1.5 / math.sqrt(
            self._count
        )
        return max(-_MOST_EXCESS, min((value - self._mean) / spread - allowed, _MOST_EXCESS))


class Capacity:
    """The limit of one model as one process sees it. Times are seconds of any clock that never goes back."""

    __slots__ = (
        "_fallen_to",
        "_floored",
        "_gathered",
        "_gathered_calls",
        "_heard",
        "_held_until",
        "_in_flight",
        "_judged_at",
        "_learning",
        "_limit",
        "_mark",
        "_probe_after",
        "_proofs",
        "_seen",
        "_settings",
        "_ticked",
        "_trouble_at",
        "_unloaded_since",
        "_watch",
    )

    def __init__(self, settings: CapacitySettings, now: float) -> None:
        self._settings = settings
        self._watch = Watch(settings)
        self._limit = float(settings.ceiling)
        self._mark = math.inf
        self._fallen_to = float(settings.floor)
        self._floored = True
        self._in_flight = 0
        self._probe_after = settings.probe_after
        self._proofs = 0
        self._ticked = now
        self._trouble_at = -math.inf
        self._held_until = -math.inf
        self._seen = -math.inf
        self._heard = 0
        self._judged_at = -math.inf
        self._gathered = 0.0
        self._gathered_calls = 0
        self._learning = False
        self._unloaded_since: float | None = None

    @property
    def published(self) -> float:
        """What others are told: the limit, and 0 (batches stay at the floor) while the baseline is learned."""
        return 0.0 if self._learning else self._limit

    @property
    def mark(self) -> float | None:
        """Calls in flight at which there was trouble; None when none is remembered."""
        return None if math.isinf(self._mark) else self._mark

    @property
    def baseline(self) -> float | None:
        """Usual seconds to the first token without batches; None before it is learned."""
        return self._watch.baseline

    def bound(self, settings: CapacitySettings) -> None:
        """The ceiling is another one."""
        self._settings = settings

    def observe(self, ttft: float, now: float) -> None:
        """An interactive call got its first token after so many seconds."""
        self._hear(now)
        self._heard += 1
        if self._unloaded_since is not None and now - ttft - self._unloaded_since >= _SETTLED:
            self._watch.learn(ttft)
        elif self._watch.baseline is not None and now >= self._held_until:
            self._gathered += math.log(max(ttft, _LEAST))
            self._gathered_calls += 1
            if now - self._judged_at >= _GATHERED:
                self._judge(now)

    def refused(self, now: float) -> None:
        """The upstream had too much to do for a call of either kind, or one waited for a place."""
        if now >= self._held_until:
            self._yield(now)

    def tick(self, now: float, *, batch: int, interactive: int, waiting: float = 0.0) -> int:
        """The cap of a process alone. To be called about once a second, with what is in flight in all processes.

        `waiting` is the age of this process's oldest interactive call that has no first token yet: one that waits for
        minutes must not be heard of only when it ends.
        """
        settings = self._settings
        passed = min(max(0.0, now - self._ticked), _LONGEST_STEP)
        self._ticked = max(self._ticked, now)
        self._in_flight = batch + interactive
        if waiting > 0:
            self._hear(now)
        if batch > settings.floor:
            self._unloaded_since = None
        elif self._unloaded_since is None:
            self._unloaded_since = now
        patience = min(settings.quiet, 2 * settings.alone * max(1, self._heard))
        self._learning = self._watch.baseline is None and now - self._seen < patience
        if self._unloaded_since is not None and now - self._unloaded_since >= settings.learn_within:
            self._watch.hurry()
        late = waiting > (self._watch.baseline or math.inf) and now >= self._held_until
        if late and self._watch.late(waiting):
            self._yield(now)
        if math.isinf(self._seen) and math.isinf(self._mark):
            self._limit = float(settings.ceiling + interactive)
        elif now >= self._held_until:
            self._rise(now, passed)
        self._limit = max(float(settings.floor), min(self._limit, float(settings.ceiling + interactive)))
        cap = allowance((self.published,), interactive, settings)
        self._floored = cap <= settings.floor
        return cap

    @property
    def _kept(self) -> float:
        return max(self._mark * self._settings.margin, self._fallen_to)

    def _hear(self, now: float) -> None:
        if math.isinf(self._seen) and math.isinf(self._mark):
            self._limit = float(self._settings.floor)
        if now - self._seen >= self._settings.quiet:
            self._limit = min(self._limit, self._kept)
        self._seen = max(self._seen, now)

    def _judge(self, now: float) -> None:
        together = math.exp(self._gathered / self._gathered_calls)
        self._judged_at = now
        self._gathered = 0.0
        self._gathered_calls = 0
        if self._watch.trouble(together):
            self._yield(now)
        elif self._limit >= self._mark and self._in_flight >= self._mark * _USED:
            self._proofs += 1

    def _yield(self, now: float) -> None:
        settings = self._settings
        again = now - self._trouble_at <= settings.pause + settings.recover_within
        self._watch.forgive()
        self._gathered = 0.0
        self._gathered_calls = 0
        self._proofs = 0
        self._trouble_at = now
        self._held_until = now + settings.pause
        if self._floored:
            return
        level = max(min(self._limit, float(self._in_flight)), float(settings.floor))
        if math.isinf(self._mark):
            # A free limit runs past the mark before anybody notices.
            self._mark = level * settings.decrease
        elif again:
            self._mark *= _MENDED
        else:
            confirmed = level >= self._mark * settings.decrease
            longer = min(2 * self._probe_after, settings.probe_after_most)
            self._probe_after = longer if confirmed else settings.probe_after
            self._mark = level
        self._mark = max(self._mark, float(settings.floor))
        self._fallen_to = max(min(level, self._mark) * settings.decrease, float(settings.floor))
        self._limit = self._fallen_to

    def _rise(self, now: float, passed: float) -> None:
        settings = self._settings
        if self._proofs >= settings.proof:
            self._mark = max(self._mark, self._limit) / _MENDED
            self._probe_after = settings.probe_after
            self._proofs = 0
        used = self._in_flight >= self._limit * _USED - 1
        freely = max(1.0, self._limit * settings.rise) * passed
        if math.isinf(self._mark):
            self._limit += freely if used else 0.0
        elif self._limit < self._kept:
            step = max(1.0, (self._kept - self._fallen_to) / settings.recover_within) * passed
            self._limit = min(self._kept, self._limit + step)
        elif now - self._seen >= settings.quiet:
            self._limit += freely if used else 0.0
        elif now - self._trouble_at < self._probe_after or now - self._seen >= settings.alone:
            self._limit = self._kept
        elif used and now - self._seen < _EVIDENCE:
            self._limit += self._mark * settings.probe_rise * passed
