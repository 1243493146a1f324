"""A database with an account, budgets and their leases, and processes whose calls need up to three pockets: no I/O."""

from collections import Counter, deque
from dataclasses import dataclass, field
from decimal import Decimal

from dwctl.core.ids import new_id
from dwctl.usage.budgets.windows import Budget, Purse, purses
from dwctl.usage.credit.book import PocketBook
from dwctl.usage.credit.claims import Claim
from dwctl.usage.credit.leases import ZERO, Account, Grant, Report, Terms
from dwctl.usage.credit.pockets import Shortage
from dwctl.usage.credit.reservation import Reservation

DAY = 86_400.0
CREDIT = new_id()
"""The account."""


@dataclass
class Store:
    """What stands in the database of one pocket."""

    account: Account = field(default_factory=lambda: Account(ZERO, {}))
    charged: Decimal = ZERO
    most: Decimal = ZERO
    """What the balance, or the budget, was at most while it was asked of."""
    largest: Decimal = ZERO
    """Reservation that anybody wanted of it."""


@dataclass(eq=False)
class Call:
    """One that is under way."""

    reservation: Reservation
    pockets: list[str]


@dataclass(eq=False)
class Waiting:
    """One that is not."""

    claim: Claim
    names: list[str]
    amount: Decimal


@dataclass(eq=False)
class Message:
    """Reports on their way, then grants on their way back."""

    sender: "Process"
    reports: dict[str, Report]
    sent_at: float
    grants: dict[str, Grant] | None = None


class Process:
    """One process: its pockets, its calls, its spool, and the budgets as it knows them."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.book = PocketBook(world.terms, clock=lambda: world.time)
        self.calls: list[Call] = []
        self.waiting: list[Waiting] = []
        self.spool: deque[tuple[list[str], Decimal]] = deque()
        """Charges that are not known to be committed."""
        self.noted = self.done = self.stored = 0
        self.flying: Message | None = None
        self.alive = True
        self.budgets = dict(world.budgets)
        self.outcomes: Counter[object] = Counter()

    def arrive(self, key: str, amount: Decimal) -> None:
        """A call of a key comes, as the gateway takes it."""
        known = [self.budgets[scope] for scope in (key, "account") if scope in self.budgets]
        wallet = purses(known, self.world.time)
        names = [*(purse.name for purse in wallet), CREDIT]
        for name in names:
            store = self.world.store(name)
            store.largest = max(store.largest, amount)
        found = self.book.reserve_all(CREDIT, wallet, amount) if wallet else self.book.reserve(CREDIT, amount)
        if found is not None:
            self._admitted(found, names, amount)
            self.world.on_admission_at_once(self)
            return

        def told(outcome: Reservation | Shortage, purse: Purse | None) -> None:
            self.waiting.remove(waiting)
            if isinstance(outcome, Shortage):
                self.outcomes[outcome] += 1
                if outcome is Shortage.EMPTY:
                    self.world.on_refusal(CREDIT if purse is None else purse.name)
            else:
                self._admitted(outcome, names, amount)

        waiting = Waiting(Claim(self.book, CREDIT, wallet, amount, told), names, amount)
        self.waiting.append(waiting)
        waiting.claim.begin()

    def _admitted(self, found: Reservation, names: list[str], amount: Decimal) -> None:
        assert found.amount == amount
        assert found.pocket is not None
        assert [*found.purses, found.pocket.account] == names
        assert all(other.amount == amount for other in found.others)
        self.outcomes["admitted"] += 1
        self.calls.append(Call(found, names))

    def end_call(self, index: int, part: Decimal) -> None:
        """A call ends and costs a part of what it had reserved."""
        call = self.calls.pop(index)
        cost = call.reservation.amount * part
        self.noted += 1
        self.spool.append((call.pockets, cost))
        self.book.settle(call.reservation, cost)

    def commit(self, count: int, *, heard: bool) -> None:
        """One statement charges the account and counts for its budgets; whether the process hears of it."""
        last = min(self.done + count, self.noted)
        for index in range(self.stored, last):
            names, cost = self.spool[index - self.done]
            for name in names:
                self.world.charge(name, cost)
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
            self.flying = Message(self, reports, self.world.time)
            self.world.network.append(self.flying)
        return self.flying

    def receive(self, message: Message) -> None:
        """An answer comes; one that nobody waits for any more is not looked at."""
        if self.alive and self.flying is message and message.grants is not None:
            self.flying = None
            self.book.granted(message.grants, message.sent_at)

    def taken(self, name: str) -> Decimal:
        """Reserved in a pocket by calls under way, and by those that wait for another one."""
        pocket = self.book.pockets.get(name)
        return ZERO if pocket is None else pocket.reserved

    def uncommitted(self, name: str) -> Decimal:
        """Charged to a pocket and not in the ledger yet."""
        fresh = list(self.spool)[self.stored - self.done :]
        return sum((cost for names, cost in fresh if name in names), ZERO)


@dataclass
class World:
    """Everything."""

    terms: Terms
    time: float = 20_000 * DAY + DAY / 2
    budgets: dict[str, Budget] = field(default_factory=dict)
    """As the database has them: of the account, and of keys by their name."""
    stores: dict[str, Store] = field(default_factory=dict)
    network: list[Message] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    started: int = 0
    prompt: bool = False
    """Whether all processes learn of another budget at once, as those of one start do."""

    def store(self, name: str) -> Store:
        """Of a pocket."""
        return self.stores.setdefault(name, Store())

    def limit(self, name: str) -> Decimal | None:
        """The budget behind a pocket; None when there is none any more."""
        for budget in self.budgets.values():
            if name.startswith(f"{budget.scope}:{budget.id}:"):
                return budget.amount
        return None

    def charge(self, name: str, cost: Decimal) -> None:
        """A charge is booked."""
        store = self.store(name)
        store.charged += cost
        if name == CREDIT:
            store.account.balance -= cost

    def start(self) -> Process:
        """One more process."""
        self.started += 1
        process = Process(self, f"process-{self.started}")
        self.processes.append(process)
        return process

    def grant(self, amount: Decimal) -> None:
        """More credit."""
        store = self.store(CREDIT)
        store.account.balance += amount
        store.most += amount

    def execute(self, message: Message) -> None:
        """The database takes reports and answers them, each pocket by what is left in it now."""
        grants: dict[str, Grant] = {}
        for name, report in message.reports.items():
            store = self.store(name)
            if name != CREDIT:
                limit = self.limit(name)
                store.most = max(store.most, Decimal(10**12) if limit is None else limit)
                store.account.balance = (Decimal(10**12) if limit is None else limit) - store.charged
            grant = store.account.report(message.sender.name, report, self.time, self.terms)
            if grant is not None:
                grants[name] = grant
                if grant.recall:
                    for each in self.processes:
                        if each is not message.sender and each.alive:
                            each.book.recall(name)
        message.grants = grants

    def exchange(self, process: Process) -> None:
        """A report and its answer, without delay."""
        process.flying = None
        message = process.send()
        if message is not None:
            self.network.remove(message)
            self.execute(message)
            process.receive(message)

    def spent(self, name: str) -> Decimal:
        """Charged to a pocket, in the ledger or on its way there, or reserved."""
        held = sum((each.taken(name) + each.uncommitted(name) for each in self.processes), ZERO)
        return self.store(name).charged + held

    def on_admission_at_once(self, process: Process) -> None:
        """Nothing is taken that was lent by a budget which is another one by now."""
        if not self.prompt:
            return
        for purse in purses(self.budgets.values(), self.time):
            calls = [call for call in process.calls if purse.name in call.pockets]
            if calls and calls[-1] is process.calls[-1]:
                assert self.spent(purse.name) <= purse.limit + self.store(purse.name).largest

    def on_refusal(self, name: str) -> None:
        """Nothing is left but what is reserved, and what the leases of the dead cover."""
        limit = self.limit(name)
        store = self.store(name)
        have = store.most if name == CREDIT else limit
        if have is None:
            return
        alive = {each.name for each in self.processes if each.alive}
        unheard = sum(
            (lease.outstanding for holder, lease in store.account.leases.items() if holder not in alive), ZERO
        )
        known = sum((each.uncommitted(name) for each in self.processes if not each.alive), ZERO)
        assert have - self.spent(name) - max(unheard - known, ZERO) <= ZERO, name

    def crash(self, process: Process) -> None:
        """Its calls are gone; its spool is there."""
        process.alive = False
        process.calls.clear()
        process.waiting.clear()
        process.flying = None
        process.book.pockets.clear()

    def bury(self, process: Process) -> None:
        """Another process commits what a dead one left, then ends its leases."""
        process.commit(process.noted, heard=True)
        self.processes.remove(process)
        self.sweep()

    def sweep(self) -> None:
        """End the leases of processes that are gone for certain, again and again: a report may be executed late."""
        there = {each.name for each in self.processes}
        for store in self.stores.values():
            for name in store.account.leases.keys() - there:
                store.account.end(name)
