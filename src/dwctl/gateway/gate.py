"""What stands between a call and its limits: takes them when the call is admitted, gives them back when it ends.

A call is admitted in one turn of the loop, so there is one that is entering at a time: what it has taken either goes
into keeping under the id of its record or is undone, as if it had never come. `ended` is called once for each record,
however the call ended, and so everything is given back exactly once.
"""

from collections.abc import Iterator
from math import ceil

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dwctl.gateway.limit_lines import limit_lines, refusal_lines
from dwctl.gateway.turns import Turns
from dwctl.requests.record import Record
from dwctl.routing.limit_book import LimitBook, Slot
from dwctl.routing.limits import Kind, Limited, Limits, Scope
from dwctl.routing.tally import Refusal
from dwctl.wire.errors import Problem, Refused

_SUBJECTS = {
    Scope.KEY: "this API key",
    Scope.MODEL: "this model",
    Scope.TARGET: "the model server of this model",
    Scope.PROVIDER: "the model server of this model",
}


class Gate(Collector):
    """One for each process."""

    def __init__(self, book: LimitBook) -> None:
        self.book = book
        self.entering: Slot | Turns | None = None
        """What the call that is being admitted has taken."""
        self.held: dict[str, Slot | Turns] = {}
        """What the calls under way have taken, by the id of their record."""
        self._refused: dict[tuple[Scope, Kind], int] = {}

    def enter(self, model: Limits | None, key: Limits | None) -> bytes:
        """Admit a call, or raise 429. The lines that its answer carries."""
        slot = self.book.admit(model, key)
        if isinstance(slot, Refusal):
            raise Refused(self.problem(slot))
        self.entering = slot
        return limit_lines(slot.tallies)

    def attempt(self, target: Limited) -> None:
        """Take a target for the call that is entering, or raise 429."""
        slot = self.book.take(target)
        if isinstance(slot, Refusal):
            raise Refused(self.problem(slot))
        if isinstance(self.entering, Slot):
            self.entering.join(slot)
        else:
            self.entering = slot

    def turns(self) -> Turns:
        """For the call that is entering, when it may have several attempts: each takes its target through this."""
        call = self.entering if isinstance(self.entering, Slot) else None
        self.entering = turns = Turns(self.book, call)
        return turns

    def keep(self, ident: str) -> None:
        """The call that was entering is under way."""
        if self.entering is not None:
            self.held[ident] = self.entering
            self.entering = None

    def undo(self) -> None:
        """The call that was entering is none."""
        slot, self.entering = self.entering, None
        if slot is not None:
            slot.undo()

    def ended(self, record: Record) -> None:
        """A call has been recorded."""
        slot = self.held.pop(record.id, None)
        if slot is not None:
            slot.release(record.total_tokens)

    def problem(self, refusal: Refusal) -> Problem:
        """The answer to a call that was refused; counted."""
        place = (refusal.scope, refusal.kind)
        self._refused[place] = self._refused.get(place, 0) + 1
        return problem_of(refusal)

    def collect(self) -> Iterator[Metric]:
        """As Prometheus families."""
        refused = CounterMetricFamily(
            "dwctl_limits_refused", "Calls that a limit refused.", labels=["scope", "kind"]
        )
        for (scope, kind), count in self._refused.items():
            refused.add_metric([scope, kind], count)
        yield refused
        yield GaugeMetricFamily("dwctl_limits_known", "Limits that have a state.", len(self.book))
        yield GaugeMetricFamily(
            "dwctl_limits_unshared", "Limits that the shared table had no room for.", self.book.unshared
        )


def problem_of(refusal: Refusal) -> Problem:
    """429 with what was reached and when to come again (spec/gateway A1.12)."""
    seconds = max(1, ceil(refusal.wait))
    headers = [(b"retry-after", b"%d" % seconds)]
    for line in refusal_lines(refusal).split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        headers.append((name, value))
    again = f"Please try again in {seconds} second{'s' if seconds > 1 else ''}."
    subject = _SUBJECTS[refusal.scope]
    if refusal.kind is Kind.CONCURRENCY:
        text = (
            f"Concurrency limit reached: {subject} takes {refusal.tally.limits.max_concurrent} calls at once."
        )
        code = "concurrency_limit_exceeded"
    else:
        text = f"Rate limit reached: {subject} takes {_rate(refusal)}."
        code = "rate_limit"
    return Problem(
        status=429,
        message=f"{text} {again}",
        type="rate_limit_error",
        code=code,
        headers=tuple(headers),
    )


def _rate(refusal: Refusal) -> str:
    limits = refusal.tally.limits
    if refusal.kind is Kind.TOKENS_PER_MINUTE:
        return f"{limits.tokens_per_minute} tokens per minute"
    if refusal.kind is Kind.REQUESTS_PER_MINUTE:
        return f"{limits.requests_per_minute} requests per minute"
    return f"{limits.requests_per_second:g} requests per second, {limits.burst} at once"
