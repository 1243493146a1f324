"""Any interleaving of grants, removals, budgets, charges, late attempts and replays: all sums agree."""

from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dwctl.core.ids import new_id
from dwctl.core.metrics import Metrics
from dwctl.db.postgres import Database
from dwctl.requests.audit import audit
from dwctl.requests.record import State
from dwctl.requests.writer import Committer
from dwctl.usage.budgets.store import BudgetStore
from dwctl.usage.ledger import Booking, Kind, LedgerStore
from tests.examples import examples
from tests.requests.test_charges import ended, entry, started

KINDS: tuple[Kind, ...] = ("purchase", "admin_grant", "admin_removal")
AMOUNTS = st.decimals(min_value=Decimal("1e-15"), max_value=10**6, places=15)


class Book(NamedTuple):
    """A grant or a removal of a source, which may be known already."""

    account: int
    kind: Kind
    source: int
    amount: Decimal


class End(NamedTuple):
    """A record of a call's end, which may be known already, or of another attempt."""

    call: int
    attempt: int
    failed: bool


class Bind(NamedTuple):
    """An account's first budget, or another one."""

    account: int


class Step(NamedTuple):
    """A batch of records as the writer gets it, or a booking."""

    what: Book | Bind | tuple[End, ...]
    again: bool
    """Whether it is done once more at once."""


BOOKS = st.builds(Book, st.integers(0, 1), st.sampled_from(KINDS), st.integers(0, 3), AMOUNTS)
BINDS = st.builds(Bind, st.integers(0, 1))
ENDS = st.builds(End, st.integers(0, 3), st.integers(1, 3), st.booleans())
STEPS = st.lists(
    st.builds(Step, BOOKS | BINDS | st.lists(ENDS, min_size=1, max_size=4).map(tuple), st.booleans()),
    max_size=12,
)
COSTS = st.lists(st.none() | st.just(Decimal(0)) | AMOUNTS, min_size=12, max_size=12)


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS, COSTS)
async def test_balances_are_the_sum_of_what_happened_once(
    database: Database, data_dir: Path, steps: list[Step], costs: list[Decimal | None]
) -> None:
    ledger, committer = LedgerStore(database), Committer(database, data_dir / "rejected.jsonl", Metrics())
    accounts = [new_id(), new_id()]
    calls = [new_id() for _ in range(4)]
    salt = new_id()
    owed = dict.fromkeys(accounts, Decimal(0))
    sources: set[int] = set()
    attempts: set[tuple[int, int]] = set()
    for step in steps:
        for _ in range(1 + step.again):
            if isinstance(step.what, Book):
                book = step.what
                account = accounts[book.account]
                made = await ledger.book(
                    Booking(
                        kind=book.kind,
                        account_id=UUID(account),
                        amount=book.amount,
                        source_id=f"{salt}:{book.source}",
                    )
                )
                assert (made is None) == (book.source in sources)
                if book.source not in sources:
                    owed[account] += -book.amount if book.kind == "admin_removal" else book.amount
                    sources.add(book.source)
                continue
            if isinstance(step.what, Bind):
                async with database.transaction() as connection:
                    await BudgetStore(database).count_in(connection, UUID(accounts[step.what.account]))
                continue
            batch = []
            for end in step.what:
                owner = accounts[end.call % 2]
                cost = costs[end.call * 3 + end.attempt - 1]
                state = State.FAILED if end.failed else State.COMPLETED
                batch.append(entry(started(owner, calls[end.call], end.attempt)))
                batch.append(entry(ended(owner, calls[end.call], cost, end.attempt, state)))
                if cost and (end.call, end.attempt) not in attempts:
                    owed[owner] -= cost
                    attempts.add((end.call, end.attempt))
            await committer.commit(batch)
    known = await ledger.accounts(map(UUID, accounts))
    assert {account: known[UUID(account)].balance for account in accounts if UUID(account) in known} == {
        account: balance for account, balance in owed.items() if UUID(account) in known
    }
    assert all(owed[account] == 0 for account in accounts if UUID(account) not in known)
    found = await audit(database)
    assert (found.balances, found.costs, found.spend) == ([], [], [])
    assert found.totals.entries == found.totals.balances
