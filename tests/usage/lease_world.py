"""A database, some processes with pockets of one account, and a network that loses and delays: no I/O."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from dwctl.usage.credit.book import PocketBook
from dwctl.usage.credit.leases import ZERO, Account, Grant, Report, Terms
from dwctl.usage.credit.pockets import Pocket, Shortage, Waiter
from dwctl.usage.credit.reservation import Reservation

ACCOUNT = "account"


@dataclass(eq=False)
class Message:
    """Reports on their way, then grants on their way back."""

    sender: "Process"
    reports: dict[str, Report]
    sent_at: float
    grants: dict[str, Grant] | None = None


class Process:
    """One process: its pockets, its calls, its spool, and a clock that runs at a speed of its own."""

    def __init__(self, world: "World", name: str, speed: float) -> None:
        self.world = world
        self.name = name
        self.speed = speed
        self.begun = world.time
        self.book = PocketBook(world.terms, clock=self.clock)
        self.calls: list[Reservation] = []
        self.waiters: list[tuple[Pocket, Waiter]] = []
        self.spool: deque[Decimal] = deque()
        """Charges that are not known to be committed."""
        self.noted = self.done = self.stored = 0
        """Records noted, known to be committed, and committed."""
        self.flying: Message | None = None
        self.alive = True
        self.admitted = self.refused = self.unknown = 0

    def clock(self) -> float:
        """Its own seconds."""
        return 1000.0 + (self.world.time - self.begun) * self.speed

    def arrive(self, amount: Decimal) -> None:
        """A call comes."""
        self.world.largest = max(self.world.largest, amount)
        reservation = self.book.reserve(ACCOUNT, amount)
        if reservation is None:
            self.waiters.append(self.book.wait(ACCOUNT, amount, self.told))
        else:
            self.told(reservation)

    def told(self, outcome: Reservation | Shortage) -> None:
        """A call goes on, or does not."""
        if isinstance(outcome, Reservation):
            self.admitted += 1
            self.calls.append(outcome)
        elif outcome is Shortage.UNKNOWN:
            self.unknown += 1
        else:
            self.refused += 1
            self.world.on_refusal()

    def end_call(self, index: int, part: Decimal) -> None:
        """A call ends and costs a part of what it had reserved."""
        reservation = self.calls.pop(index)
        cost = reservation.amount * part
        self.noted += 1
        self.spool.append(cost)
        self.book.settle(reservation, cost)

    def commit(self, count: int, *, heard: bool) -> None:
        """The ledger gets some of the spool; whether the process hears of it."""
        last = min(self.done + count, self.noted)
        for index in range(self.stored, last):
            self.world.account.balance -= self.spool[index - self.done]
        self.stored = max(self.stored, last)
        if heard:
            for _ in range(self.done, last):
                self.spool.popleft()
            self.done = last

    def send(self) -> Message | None:
        """Reports go out."""
        self.book.look_on()
        reports = self.book.reports(self.noted, self.done)
        if reports:
            self.flying = Message(self, reports, self.clock())
            self.world.network.append(self.flying)
        return self.flying

    def receive(self, message: Message) -> None:
        """An answer comes; one that nobody waits for any more is not looked at."""
        if self.alive and self.flying is message and message.grants is not None:
            self.flying = None
            self.book.granted(message.grants, message.sent_at)

    def give_up(self, index: int) -> None:
        """A call has waited long enough."""
        self.book.give_up(*self.waiters.pop(index))

    @property
    def reserved(self) -> Decimal:
        """By calls under way."""
        return sum((call.amount for call in self.calls), ZERO)

    @property
    def charged(self) -> Decimal:
        """What is not in the ledger yet."""
        return sum(list(self.spool)[self.stored - self.done :], ZERO)


@dataclass
class World:
    """Everything."""

    terms: Terms
    time: float = 0.0
    skew: float = 0.0
    """How far the database's clock is off."""
    credit: Decimal = ZERO
    """All that was ever granted."""
    largest: Decimal = ZERO
    abandoned: Decimal = ZERO
    """What leases covered that were given to others without knowing of their holder's end."""
    account: Account = field(default_factory=lambda: Account(ZERO, {}))
    network: list[Message] = field(default_factory=list)
    notices: list[Process] = field(default_factory=list)
    """Recalls on their way."""
    processes: list[Process] = field(default_factory=list)
    away: set[Process] = field(default_factory=set)
    """Processes that reach nobody."""
    started: int = 0

    @property
    def spent(self) -> Decimal:
        """Charged, in the ledger or on its way there, or reserved by calls under way."""
        committed = self.credit - self.account.balance
        return committed + sum((each.charged + each.reserved for each in self.processes), ZERO)

    def start(self, speed: float = 1.0) -> Process:
        """One more process."""
        self.started += 1
        process = Process(self, f"process-{self.started}", speed)
        self.processes.append(process)
        return process

    def execute(self, message: Message) -> None:
        """The database takes reports and answers them."""
        now = self.time + self.skew
        before = {name: lease.outstanding for name, lease in self.account.leases.items()}
        grants: dict[str, Grant] = {}
        for account, report in message.reports.items():
            grant = self.account.report(message.sender.name, report, now, self.terms)
            if grant is not None:
                grants[account] = grant
                if grant.recall:
                    self.notices += [each for each in self.processes if each is not message.sender]
        message.grants = grants
        self.abandoned += sum((before[name] for name in before.keys() - self.account.leases.keys()), ZERO)

    def exchange(self, process: Process) -> None:
        """A report and its answer, without delay."""
        process.flying = None
        message = process.send()
        if message is not None:
            self.network.remove(message)
            self.execute(message)
            process.receive(message)

    def round(self, process: Process) -> None:
        """What a call waits for before it is told that there is nothing: everybody in contact says what it holds."""
        for each in (process, *self.in_contact(), process):
            each.commit(each.noted, heard=True)
            each.book.recall(ACCOUNT)
            self.exchange(each)

    def in_contact(self) -> list[Process]:
        """Processes that live and reach the database."""
        return [each for each in self.processes if each.alive and each not in self.away]

    def on_refusal(self) -> None:
        """Nothing is left but what calls under way have reserved, and what those hold who cannot be asked."""
        left = self.credit - self.spent
        reached = {each.name for each in self.in_contact()}
        unheard = sum(
            (lease.outstanding for name, lease in self.account.leases.items() if name not in reached), ZERO
        )
        known = (each.reserved + each.charged for each in self.processes if each.name not in reached)
        unheard -= sum(known, ZERO)
        assert left - max(unheard, ZERO) <= ZERO, (left, unheard)

    def crash(self, process: Process) -> None:
        """Its calls are gone; its spool is there."""
        process.alive = False
        process.calls.clear()
        process.waiters.clear()
        process.flying = None

    def bury(self, process: Process) -> None:
        """Another process commits what a dead one left, then ends its lease."""
        process.commit(process.noted, heard=True)
        self.processes.remove(process)
        self.sweep()

    def sweep(self) -> None:
        """End the leases of processes that are gone for certain, again and again: a report may be executed late."""
        there = {each.name for each in self.processes}
        for name in self.account.leases.keys() - there:
            self.account.end(name)
