"""What this process sees of interactive calls to the models that queued work is run for. Implements `Onlooker`.

Only calls of people count as interactive: keys of the purposes realtime and playground. While streams come, whole
answers say nothing, for their first byte comes when all is done; where there are none, they are all there is.
"""

from dwctl.core.clock import Clock
from dwctl.engine.capacity import Capacity, CapacitySettings
from dwctl.requests.onlooker import Onlooker
from dwctl.requests.record import Record, State

PURPOSES = frozenset({"realtime", "playground"})
REFUSALS = frozenset({429, 503})
_NO_ANSWER = "/v1/realtime"
"""A session has no first token."""
_COMPLETED = int(State.COMPLETED)


class Sight:
    """One model, as this process sees it."""

    __slots__ = ("_quiet", "_streamed_at", "_streams", "_wholes", "capacity")

    def __init__(self, settings: CapacitySettings, now: float) -> None:
        self.capacity = Capacity(settings, now)
        self._quiet = settings.quiet
        self._streamed_at = -self._quiet
        self._streams: dict[str, float] = {}
        """Calls without a first token and when they began, oldest first."""
        self._wholes: dict[str, float] = {}
        """The same of those whose answers are no streams."""

    def waiting(self, now: float) -> float:
        """The age of the oldest call that has no first token yet."""
        waiting = self._wholes if self._wholes_count(now) else self._streams
        return now - next(iter(waiting.values()), now)

    def began(self, record: Record, now: float) -> None:
        """A call was admitted."""
        if record.stream:
            self._streamed_at = now
            self._streams[record.id] = now
        else:
            self._wholes[record.id] = now

    def answered(self, ident: str, now: float, *, good: bool) -> None:
        """The first of its answer has come, or it has ended; only the first time counts."""
        began = self._streams.pop(ident, None)
        if began is None:
            began = self._wholes.pop(ident, None)
            good = good and self._wholes_count(now)
        if began is not None and good:
            self.capacity.observe(now - began, now)

    def forget(self) -> None:
        """Nobody tells of these calls any more."""
        self._streams.clear()
        self._wholes.clear()

    def holds(self, ident: str) -> bool:
        """Whether this call waits for its first token."""
        return ident in self._streams or ident in self._wholes

    def _wholes_count(self, now: float) -> bool:
        return now - self._streamed_at >= self._quiet


class Onlooking(Onlooker):
    """All models."""

    def __init__(self, clock: Clock) -> None:
        self.sights: dict[str, Sight] = {}
        """Of the models that are looked at."""
        self._monotonic = clock.monotonic

    def began(self, record: Record) -> None:
        """A call was admitted."""
        sight = self.sights.get(record.model)
        if sight is not None and record.purpose in PURPOSES and record.path != _NO_ANSWER:
            sight.began(record, self._monotonic())

    def first(self, record: Record) -> None:
        """The first of its answer has come."""
        sight = self.sights.get(record.model)
        if sight is not None:
            sight.answered(record.id, self._monotonic(), good=True)

    def refused(self, ident: str, status: int) -> None:
        """A model server had too much to do for it, and another one is tried."""
        if status in REFUSALS:
            for sight in self.sights.values():
                if sight.holds(ident):
                    sight.capacity.refused(self._monotonic())

    def ended(self, record: Record) -> None:
        """It is recorded."""
        sight = self.sights.get(record.model)
        if sight is None:
            return
        now = self._monotonic()
        good = record.state == _COMPLETED and record.first_byte_ms is not None
        sight.answered(record.id, now, good=good)
        if record.upstream_status in REFUSALS:
            sight.capacity.refused(now)
