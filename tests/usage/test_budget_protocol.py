"""Calls that need up to three pockets, by the code that the product runs: all or none, and nothing stays behind.

Of each pocket, be it an account's credit or a budget in one of its periods, at most one reservation over what it may
give; no refusal while more than the outstanding reservations is left; and in the end nothing is reserved anywhere.
"""

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dwctl.core.ids import new_id
from dwctl.usage.budgets.windows import Budget, Period, Scope
from dwctl.usage.credit.leases import ZERO, Terms
from tests.examples import examples
from tests.usage.budget_world import CREDIT, DAY, Message, Process, World

AMOUNTS = st.integers(1, 40).map(Decimal)
LIMITS = st.integers(0, 200).map(Decimal)
PARTS = st.sampled_from([Decimal(0), Decimal("0.1"), Decimal("0.5"), Decimal(1)])
KEYS = st.sampled_from(["k1", "k2", "free"])
BOUND = st.sampled_from(["account", "k1", "k2"])
PERIODS: st.SearchStrategy[Period] = st.sampled_from(["day", "week", "month", "total"])


class Budgets(RuleBasedStateMachine):
    """One account with a budget, two keys with one each and one without, one to three processes."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(Terms(lasts=60.0, abandon_after=1e12))
        self.changes = 0
        self.ids = {name: new_id() for name in ("account", "k1", "k2")}

    @initialize(
        credit=st.integers(0, 400).map(Decimal),
        limits=st.dictionaries(BOUND, st.tuples(LIMITS, PERIODS)),
        count=st.integers(1, 3),
        prompt=st.booleans(),
    )
    def begin(
        self, credit: Decimal, limits: dict[str, tuple[Decimal, Period]], count: int, prompt: bool
    ) -> None:
        self.world.prompt = prompt
        self.world.grant(credit)
        for name, (amount, period) in limits.items():
            self._put(name, amount, period)
        for _ in range(count):
            self.world.start()

    @rule(data=st.data(), key=KEYS, count=st.integers(1, 8), amount=AMOUNTS)
    def burst(self, data: st.DataObject, key: str, count: int, amount: Decimal) -> None:
        process = self._some(data)
        for _ in range(count):
            process.arrive(key, amount)

    @precondition(lambda self: any(each.calls for each in self.world.processes))
    @rule(data=st.data(), part=PARTS)
    def end(self, data: st.DataObject, part: Decimal) -> None:
        process = data.draw(st.sampled_from([each for each in self.world.processes if each.calls]))
        process.end_call(data.draw(st.integers(0, len(process.calls) - 1)), part)

    @rule(data=st.data(), count=st.integers(1, 5), heard=st.booleans())
    def commit(self, data: st.DataObject, count: int, heard: bool) -> None:
        self._some(data).commit(count, heard=heard)

    @rule(data=st.data())
    def exchange(self, data: st.DataObject) -> None:
        self.world.exchange(self._some(data))

    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        process = self._some(data)
        if process.flying is None:
            process.send()

    @precondition(lambda self: self.world.network)
    @rule(data=st.data())
    def execute(self, data: st.DataObject) -> None:
        message = self._message(data)
        if message.grants is None:
            self.world.execute(message)

    @precondition(lambda self: self.world.network)
    @rule(data=st.data(), lost=st.booleans())
    def answer(self, data: st.DataObject, lost: bool) -> None:
        message = self._message(data)
        if message.grants is not None:
            self.world.network.remove(message)
            if not lost:
                message.sender.receive(message)

    @rule(data=st.data())
    def lose_patience(self, data: st.DataObject) -> None:
        self._some(data).flying = None

    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        """After a while in which everybody who lives has said what it holds."""
        process = self._some(data)
        if process.waiting:
            claim = data.draw(st.sampled_from(process.waiting)).claim
            self._round(process)
            claim.give_up()

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        process = self._some(data)
        if process.waiting:
            waiting = data.draw(st.sampled_from(process.waiting))
            process.waiting.remove(waiting)
            waiting.claim.leave()

    @rule(seconds=st.floats(0.001, 100.0))
    def pass_time(self, seconds: float) -> None:
        self.world.time += seconds

    @rule(days=st.integers(1, 20))
    def pass_days(self, days: int) -> None:
        self.world.time += days * DAY

    @rule(data=st.data(), name=BOUND, amount=LIMITS)
    def change(self, data: st.DataObject, name: str, amount: Decimal) -> None:
        """A budget is raised or lowered; processes learn it now, or as others do later."""
        if name in self.world.budgets:
            self._put(name, amount, self.world.budgets[name].period)
            if self.world.prompt:
                for process in self.world.processes:
                    process.budgets = dict(self.world.budgets)

    @rule(data=st.data())
    def learn(self, data: st.DataObject) -> None:
        self._some(data).budgets = dict(self.world.budgets)

    @rule(amount=AMOUNTS)
    def grant(self, amount: Decimal) -> None:
        self.world.grant(amount)

    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        self.world.crash(self._some(data))
        if not any(each.alive for each in self.world.processes):
            self.world.start()

    @precondition(lambda self: not all(each.alive for each in self.world.processes))
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        self.world.bury(data.draw(st.sampled_from([each for each in self.world.processes if not each.alive])))
        if len(self.world.processes) < 3:
            self.world.start()

    @rule()
    def sweep(self) -> None:
        self.world.sweep()

    @invariant()
    def at_most_one_reservation_over(self) -> None:
        for name, store in self.world.stores.items():
            assert self.world.spent(name) <= max(store.most, ZERO) + store.largest, name

    @invariant()
    def leases_cover_what_is_spent(self) -> None:
        for name, store in self.world.stores.items():
            for process in self.world.processes:
                lease = store.account.leases.get(process.name)
                covered = ZERO if lease is None else lease.outstanding
                assert process.taken(name) + process.uncommitted(name) <= covered, name

    @invariant()
    def calls_have_reserved_in_each_of_their_pockets(self) -> None:
        for process in self.world.processes:
            for name, pocket in process.book.pockets.items():
                of_calls = sum(
                    (call.reservation.amount for call in process.calls if name in call.pockets), ZERO
                )
                waiting = sum((each.amount for each in process.waiting if name in each.names[:-1]), ZERO)
                assert of_calls <= pocket.reserved <= of_calls + waiting, name

    def teardown(self) -> None:
        """When all calls have ended nothing is reserved, and one caller gets all that is left of everything."""
        world = self.world
        if not world.processes:
            return
        world.network.clear()
        for process in list(world.processes):
            if not process.alive:
                world.bury(process)
        world.sweep()
        for process in world.processes:
            for waiting in list(process.waiting):
                waiting.claim.leave()
            process.waiting.clear()
            while process.calls:
                process.end_call(0, Decimal(1))
            process.commit(process.noted, heard=True)
            assert all(pocket.reserved == ZERO for pocket in process.book.pockets.values())
        last = world.start()
        left = {name: world.limit(name) for name in world.stores if name != CREDIT}
        credit = world.store(CREDIT).account.balance
        last.arrive("k1", Decimal(1))
        names = last.waiting[0].names
        for _ in range(4):
            for process in (*world.processes, last):
                world.time += 1.0
                for name in names:
                    process.book.recall(name)
                world.exchange(process)
        some = credit > ZERO and all(
            (left.get(name) or world.limit(name) or ZERO) > world.store(name).charged for name in names[:-1]
        )
        assert last.outcomes["admitted"] == int(some), (names, credit, last.outcomes)

    def _put(self, name: str, amount: Decimal, period: Period) -> None:
        # Never the same amount twice, so that a change is always seen.
        self.changes += 1
        amount += self.changes * Decimal("1e-6")
        scope: Scope = "account" if name == "account" else "key"
        budget = Budget(scope=scope, id=self.ids[name], name=name, amount=amount, period=period)
        self.world.budgets[name] = budget

    def _round(self, process: Process) -> None:
        """What a call waits for: after a second everybody has reported again, whatever answer was lost."""
        alive = [each for each in self.world.processes if each.alive]
        self.world.time += 1.1
        for each in (process, *alive, process, *alive, process):
            each.commit(each.noted, heard=True)
            for name in list(each.book.pockets):
                each.book.recall(name)
            self.world.exchange(each)

    def _some(self, data: st.DataObject) -> Process:
        return data.draw(st.sampled_from([each for each in self.world.processes if each.alive]))

    def _message(self, data: st.DataObject) -> Message:
        return data.draw(st.sampled_from(self.world.network))


TestBudgets = Budgets.TestCase
TestBudgets.settings = settings(max_examples=examples(150), stateful_step_count=60, deadline=None)
