"""The two bounds of credit leases, whatever is lost, late or killed: by the code that the product runs (ADR 0029).

At most one reservation over the credit, in any number of processes; no refusal while more than the outstanding
reservations is left.
"""

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dwctl.usage.credit.leases import ZERO, Terms
from tests.examples import examples
from tests.usage.lease_world import ACCOUNT, Message, Process, World

AMOUNTS = st.integers(1, 40).map(Decimal)
PARTS = st.sampled_from([Decimal(0), Decimal("0.1"), Decimal("0.5"), Decimal(1)])


class Leases(RuleBasedStateMachine):
    """One account, one to four processes."""

    abandon_after = 1e12

    def __init__(self) -> None:
        super().__init__()
        self.world = World(Terms(lasts=60.0, abandon_after=self.abandon_after))

    @initialize(
        credit=st.integers(0, 300).map(Decimal),
        speeds=st.lists(st.floats(0.85, 1.15), min_size=1, max_size=4),
        skew=st.floats(-1e6, 1e6),
    )
    def begin(self, credit: Decimal, speeds: list[float], skew: float) -> None:
        self.world.skew = skew
        self.world.credit = self.world.account.balance = credit
        for speed in speeds:
            self.world.start(speed)

    @rule(data=st.data(), amount=AMOUNTS)
    def call(self, data: st.DataObject, amount: Decimal) -> None:
        self._some(data).arrive(amount)

    @rule(data=st.data(), count=st.integers(1, 8), amount=AMOUNTS)
    def burst(self, data: st.DataObject, count: int, amount: Decimal) -> None:
        process = self._some(data)
        for _ in range(count):
            process.arrive(amount)

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
        process = self._in_contact(data)
        if process is not None:
            self.world.exchange(process)

    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        process = self._in_contact(data)
        if process is not None and process.flying is None:
            process.send()

    @precondition(lambda self: self.world.network)
    @rule(data=st.data())
    def execute(self, data: st.DataObject) -> None:
        """In any order, also long after the sender has given it up."""
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
        """The answer does not come in time; whether the question has been heard nobody knows."""
        self._some(data).flying = None

    @precondition(lambda self: self.world.notices)
    @rule(lost=st.booleans())
    def notice(self, lost: bool) -> None:
        process = self.world.notices.pop()
        if not lost and process.alive:
            process.book.recall(ACCOUNT)

    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        process = self._some(data)
        if not process.waiters:
            return
        if process in self.world.away:
            self.world.time += 2.0
        else:
            self.world.round(process)
        process.give_up(data.draw(st.integers(0, len(process.waiters) - 1)))

    @rule(seconds=st.floats(0.001, 100.0))
    def pass_time(self, seconds: float) -> None:
        self.world.time += seconds

    @rule(data=st.data())
    def part(self, data: st.DataObject) -> None:
        self.world.away ^= {self._some(data)}

    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        self.world.crash(self._some(data))
        if not any(each.alive for each in self.world.processes):
            self.world.start()

    @precondition(lambda self: not all(each.alive for each in self.world.processes))
    @rule(data=st.data(), speed=st.floats(0.85, 1.15))
    def replay(self, data: st.DataObject, speed: float) -> None:
        dead = [each for each in self.world.processes if not each.alive]
        self.world.bury(data.draw(st.sampled_from(dead)))
        if len(self.world.processes) < 4:
            self.world.start(speed)

    @rule()
    def sweep(self) -> None:
        self.world.sweep()

    @rule(amount=AMOUNTS)
    def grant(self, amount: Decimal) -> None:
        self.world.credit += amount
        self.world.account.balance += amount

    @invariant()
    def at_most_one_reservation_over(self) -> None:
        assert self.world.spent <= self.world.credit + self.world.largest + self.world.abandoned

    @invariant()
    def leases_cover_what_is_spent(self) -> None:
        if self.world.abandoned:
            return
        for process in self.world.processes:
            lease = self.world.account.leases.get(process.name)
            covered = ZERO if lease is None else lease.outstanding
            assert process.reserved + process.charged <= covered

    @invariant()
    def pockets_know_what_is_reserved(self) -> None:
        for process in self.world.processes:
            if process.alive:
                assert process.book.reserved == process.reserved

    def teardown(self) -> None:
        """When everybody is in contact again and all calls have ended, all credit is there for one caller."""
        world = self.world
        if not world.processes:
            return
        world.away.clear()
        world.network.clear()
        for process in list(world.processes):
            if not process.alive:
                world.bury(process)
        world.sweep()
        for process in world.processes:
            while process.calls:
                process.end_call(0, Decimal(1))
            process.commit(process.noted, heard=True)
        left = world.account.balance
        last = world.start()
        world.largest = max(world.largest, left, Decimal(1))
        last.arrive(max(left, Decimal(1)))
        for process in [*world.processes, *world.processes]:
            world.time += 1.0
            process.book.recall(ACCOUNT)
            waiting = [pair for pair in process.waiters if process is not last]
            for pocket, waiter in waiting:
                pocket.leave(waiter)
            world.exchange(process)
        if left > ZERO:
            assert last.admitted == 1
        self.at_most_one_reservation_over()

    def _some(self, data: st.DataObject) -> Process:
        return data.draw(st.sampled_from([each for each in self.world.processes if each.alive]))

    def _in_contact(self, data: st.DataObject) -> Process | None:
        reached = self.world.in_contact()
        return data.draw(st.sampled_from(reached)) if reached else None

    def _message(self, data: st.DataObject) -> Message:
        return data.draw(st.sampled_from(self.world.network))


class Abandoned(Leases):
    """Leases go to others after a time: over is one reservation more than what those covered."""

    abandon_after = 50.0


SETTINGS = settings(max_examples=examples(150), stateful_step_count=60, deadline=None)
TestLeases = Leases.TestCase
TestLeases.settings = SETTINGS
TestAbandoned = Abandoned.TestCase
TestAbandoned.settings = SETTINGS
