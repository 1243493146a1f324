"""What stands between a call and its account's credit and budgets: reserves before the call, settles when it has ended.

A call is admitted in one turn of the loop, so there is one that is entering at a time: its reservation either goes into
keeping under the id of its record or is given back, as if it had never come. A call for which there is nothing at once
is parked, outside of all limits, and admitted anew when it has its reservation. Calls of free models do not come here.
"""

from collections.abc import Iterator
from decimal import Decimal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dwctl.gateway.admission import Caller
from dwctl.gateway.bounds import bound
from dwctl.gateway.intake import Calls
from dwctl.gateway.parked import Body, Parked
from dwctl.gateway.peeked import Caps, Peek
from dwctl.gateway.routes import Route
from dwctl.gateway.uploads.upload import Upload
from dwctl.requests.record import Record
from dwctl.routing.snapshot import Key
from dwctl.usage.budgets.windows import Purse, Scope, place
from dwctl.usage.credit.book import PocketBook
from dwctl.usage.credit.leases import ZERO
from dwctl.usage.credit.pockets import Shortage
from dwctl.usage.credit.reservation import Reservation
from dwctl.usage.credit.settings import ReservationSettings
from dwctl.usage.money import amount_of, plain, units_of
from dwctl.usage.prices import Tariff
from dwctl.wire.errors import Problem
from dwctl.wire.exchange import Exchange


class Funds(Collector):
    """One for each process."""

    def __init__(self, book: PocketBook, settings: ReservationSettings) -> None:
        self.book = book
        self.settings = settings
        self.entering: Reservation | None = None
        """Of the call that is being admitted."""
        self.held: dict[str, Reservation] = {}
        """Of the calls under way, by the id of their record."""
        self.spent: dict[str, list[tuple[Reservation, Decimal]]] = {}
        """Of calls under way that ask their model several times: what for, and how much, each ended round has cost."""
        self._waits = 0
        self._exceeded = 0
        self._refused = dict.fromkeys(Shortage, 0)
        self._exhausted: dict[Scope, int] = {"account": 0, "key": 0}

    def reserve(
        self, key: Key, tariff: Tariff, route: Route, caps: Caps, size: int, now: float
    ) -> Decimal | None:
        """Reserve for the call that is being admitted, by what is asked of the model server.

        None when it may go on; else there is not so much at once, and the call is to be parked. Comes before any limit
        is taken.
        """
        if self.entering is not None:
            if self.entering.purses == [purse.name for purse in purses_of(key, now)]:
                # Parked before, and admitted anew.
                return None
            # While it waited another period began, or its budgets became other ones.
            self.undo()
        units = bound(tariff, route, caps, size, self.settings)
        if key.budgets is None:
            entering = self.book.reserve_units(key.owner_id, units)
        else:
            entering = self.book.reserve_all(key.owner_id, key.budgets.purses(now), amount_of(units))
        self.entering = entering
        # A call that costs nothing goes on without.
        return None if entering is not None or not units else amount_of(units)

    def put_off(
        self,
        calls: Calls,
        exchange: Exchange,
        begun: tuple[Caller, Upload | None, Peek],
        key: Key,
        short: Decimal,
        now: float,
    ) -> None:
        """A call lacks so much: it waits, and then begins anew with its reservation, or is refused."""
        self.waited()
        Parked(self, calls, exchange, Body(*begun)).wait(key.owner_id, purses_of(key, now), short)

    def waited(self) -> None:
        """A call waits for credit or a budget; counted."""
        self._waits += 1

    def settle(self, reservation: Reservation, cost: Decimal) -> None:
        """What it was for is charged so much; the charge has been noted."""
        if self.book.settle(reservation, cost):
            self._exceeded += 1

    def keep(self, ident: str) -> None:
        """The call that was entering is under way."""
        if self.entering is not None:
            self.held[ident], self.entering = self.entering, None

    def undo(self) -> None:
        """The call that was entering is none."""
        reservation, self.entering = self.entering, None
        if reservation is not None:
            self.book.settle(reservation, ZERO)

    def cap(self, record: Record) -> None:
        """An estimate of ours is never charged above what was reserved for the call."""
        reservation = self.held.get(record.id)
        if reservation is not None and record.cost is not None and record.cost > reservation.amount:
            record.cost = reservation.amount

    def keep_cost(self, ident: str, cost: Decimal) -> None:
        """A round of a call has ended: what it has cost stays reserved until the call is recorded."""
        reservation = self.held.pop(ident, None)
        if reservation is not None:
            self.book.shrink(reservation, cost)
            self.spent.setdefault(ident, []).append((reservation, cost))

    def ended(self, record: Record, units: int | None = None) -> None:
        """A call has been recorded; `units` is its cost, where that is known."""
        reservation = self.held.pop(record.id, None)
        if reservation is not None:
            if units is None:
                units = units_of(record.cost or ZERO)
            if self.book.settle_units(reservation, units):
                self._exceeded += 1
        if self.spent:
            for earlier, cost in self.spent.pop(record.id, ()):
                self.settle(earlier, cost)

    def problem(self, shortage: Shortage, purse: Purse | None) -> Problem:
        """The answer to a call that gets nothing from this budget, or no credit; counted."""
        if purse is None or shortage is Shortage.UNKNOWN:
            self._refused[shortage] += 1
            return problem_of(shortage)
        self._exhausted[purse.budget.scope] += 1
        return exhausted(purse)

    def collect(self) -> Iterator[Metric]:
        """As Prometheus families."""
        refused = CounterMetricFamily(
            "dwctl_credit_refused", "Calls that got no credit.", labels=["shortage"]
        )
        for shortage, count in self._refused.items():
            refused.add_metric([shortage.value], count)
        yield refused
        exhausted_of = CounterMetricFamily(
            "dwctl_budget_refused", "Calls whose budget is used up.", labels=["scope"]
        )
        for scope, count in self._exhausted.items():
            exhausted_of.add_metric([scope], count)
        yield exhausted_of
        yield CounterMetricFamily("dwctl_credit_waited", "Calls that had to wait for credit.", self._waits)
        yield CounterMetricFamily(
            "dwctl_credit_exceeded", "Calls that cost more than was reserved.", self._exceeded
        )
        yield GaugeMetricFamily("dwctl_credit_waiting", "Calls that wait for credit.", self.book.waiting)
        yield GaugeMetricFamily(
            "dwctl_credit_held", "Credit of all accounts held here.", float(self.book.held)
        )
        yield GaugeMetricFamily(
            "dwctl_credit_reserved", "Credit reserved by calls under way.", float(self.book.reserved)
        )


def purses_of(key: Key, now: float) -> tuple[Purse, ...]:
    """The pockets beside credit of a call that is admitted now, in unix seconds."""
    return () if key.budgets is None else key.budgets.purses(now)


def problem_of(shortage: Shortage) -> Problem:
    """402, final, when there is no credit; 503 when that is not known (spec/platform §5.3, §7.2)."""
    if shortage is Shortage.EMPTY:
        return Problem(
            status=402,
            message="The credit of this account is used up. Please add credits to continue.",
            type="insufficient_credits",
            code="insufficient_credits",
            headers=((b"x-should-retry", b"false"),),
        )
    return Problem(
        status=503,
        message="The credit of this account cannot be checked at the moment. Please try again.",
        type="server_error",
        code="service_unavailable",
        headers=((b"retry-after", b"2"),),
    )


def exhausted(purse: Purse) -> Problem:
    """402, final: it says whose budget is used up, how much that is, and when there is another one."""
    budget = purse.budget
    whose = "API key" if budget.scope == "key" else "account"
    each = "" if budget.period == "total" else f" per {budget.period}"
    after = place(purse.name).window.resets_at
    when = "It does not reset" if after is None else f"It resets at {after:%Y-%m-%dT%H:%M:%SZ}"
    return Problem(
        status=402,
        message=(
            f"The budget of the {whose} '{budget.name}' is used up: {plain(budget.amount)}{each}. "
            f"{when}; please ask whoever manages it for more."
        ),
        type="budget_exceeded",
        code="budget_exceeded",
        headers=((b"x-should-retry", b"false"),),
    )
