"""Credit leases on a real database: who gets how much, what comes back, and what a storm of callers spends."""

import asyncio
from collections import Counter
from decimal import Decimal
from random import Random

import pytest

from dwctl.db.postgres import Database
from dwctl.usage.credit.leases import Terms
from dwctl.usage.credit.pockets import Shortage
from dwctl.usage.credit.reservation import Reservation
from dwctl.usage.credit.store import LeaseStore
from tests.usage.credit_house import INSTALLATION, Worker, balance, credit, outstanding, workers

ONE = Decimal(1)
PATIENCE = 30.0
"""Seconds that a call of these tests waits: longer than a slow machine takes."""


async def admitted(worker: Worker, account: str, amount: Decimal = ONE) -> Reservation:
    """A call that goes on."""
    found = await worker.reserve(account, amount, PATIENCE)
    assert isinstance(found, Reservation)
    return found


async def until_outstanding(database: Database, account: str, amount: Decimal) -> None:
    """Wait until the processes hold so much."""
    async with asyncio.timeout(PATIENCE):
        while await outstanding(database, account) != amount:
            await asyncio.sleep(0.02)


async def storm(database: Database, count: int, seed: int) -> None:
    """200 callers at once on a balance for 50 calls: at most one over, at least 49 go on."""
    random = Random(seed)
    account = await credit(database, 50)
    over = max_spent = Decimal(0)
    ends: Counter[object] = Counter()
    async with workers(database, count) as made:

        async def caller() -> None:
            nonlocal max_spent
            await asyncio.sleep(random.random() * 0.05)
            worker = random.choice(made)
            found = await worker.reserve(account, ONE + Decimal("0.25"), PATIENCE)
            ends[type(found) if isinstance(found, Reservation) else found] += 1
            if isinstance(found, Reservation):
                await asyncio.sleep(random.random() * 0.05)
                worker.end(account, found, ONE)

        async with asyncio.TaskGroup() as callers:
            for _ in range(200):
                callers.create_task(caller())
    over = -await balance(database, account)
    assert over <= ONE
    assert 49 <= ends[Reservation] <= 51
    assert ends[Shortage.EMPTY] == 200 - ends[Reservation]
    assert await outstanding(database, account) == 0


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("seed", range(2))
async def test_many_callers_spend_what_is_there_and_no_more(
    database: Database, count: int, seed: int
) -> None:
    await storm(database, count, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(200))
async def test_many_callers_again_and_again(database: Database, seed: int) -> None:
    await storm(database, (1, 2, 4)[seed % 3], seed)


async def test_an_account_without_credit_is_told_so_at_once(database: Database) -> None:
    account = await credit(database, 0)
    async with workers(database, 1) as [worker]:
        assert await worker.reserve(account, ONE, PATIENCE) is Shortage.EMPTY


async def test_what_is_kept_elsewhere_is_recalled(database: Database) -> None:
    account = await credit(database, 100)
    async with workers(database, 2) as [first, second]:
        first.end(account, await admitted(first, account), ONE)
        assert await outstanding(database, account) > ONE
        last = await admitted(second, account, Decimal(99))
        second.end(account, last, Decimal(99))
    assert await balance(database, account) == 0
    assert await outstanding(database, account) == 0


async def test_the_last_reservation_may_go_over_and_nobody_elses(database: Database) -> None:
    account = await credit(database, 10)
    async with workers(database, 2) as [first, second]:
        kept = await admitted(first, account, Decimal(8))
        last = await admitted(second, account, Decimal(8))
        assert await first.reserve(account, ONE, 0.5) is Shortage.EMPTY
        assert await second.reserve(account, ONE, 0.5) is Shortage.EMPTY
        first.end(account, kept, Decimal(1))
        second.end(account, last, Decimal(1))
        first.end(account, await admitted(first, account), Decimal(1))
    assert await balance(database, account) == 7


async def test_credit_comes_back_when_its_process_ends(
    database: Database,
) -> None:
    account = await credit(database, 1000)
    async with workers(database, 1) as [worker]:
        worker.end(account, await admitted(worker, account), ONE)
        assert await outstanding(database, account) > ONE
    assert await outstanding(database, account) == 0
    assert await balance(database, account) == 999


async def test_what_a_dead_process_held_is_not_given_to_others_before_its_end_is_known(
    database: Database,
) -> None:
    account = await credit(database, 10)
    async with workers(database, 1) as [dead]:
        await admitted(dead, account, Decimal(9))
        await until_outstanding(database, account, Decimal(9))
        dead.book.pockets.clear()
    async with workers(database, 1) as [other]:
        over = await admitted(other, account, Decimal(2))
        assert await other.reserve(account, ONE, 0.5) is Shortage.EMPTY
        other.end(account, over, Decimal(1))
        await database.execute("delete from credit_leases where holder = $1", dead.holder)
        other.end(account, await admitted(other, account, Decimal(9)), Decimal(9))
    assert await balance(database, account) == 0


async def test_a_lease_that_nobody_speaks_of_is_abandoned(database: Database) -> None:
    account = await credit(database, 10)
    terms = Terms(lasts=60.0, abandon_after=3600.0)
    async with workers(database, 1, terms) as [dead]:
        await admitted(dead, account, Decimal(10))
        dead.book.pockets.clear()
    async with workers(database, 1, terms) as [other]:
        await database.execute("update credit_leases set expires_at = now() - interval '59 minutes'")
        assert await other.reserve(account, ONE, 0.5) is Shortage.UNKNOWN
        await database.execute(
            "update credit_leases set expires_at = now() - interval '61 minutes' where holder = $1",
            dead.holder,
        )
        await admitted(other, account, Decimal(10))


async def test_a_late_report_changes_nothing(database: Database) -> None:
    account = await credit(database, 10)
    worker = Worker(database, Terms())
    worker.book.wait(account, Decimal(4), lambda _: None)
    early = worker.book.reports(0, 0)
    late = worker.book.reports(0, 0)
    store = LeaseStore(database, worker.holder, INSTALLATION, Terms())
    assert (await store.exchange(late))[account].amount >= 4
    held = await outstanding(database, account)
    assert await store.exchange(early) == {}
    assert await outstanding(database, account) == held


async def test_while_the_database_is_away_what_is_leased_may_be_spent(database: Database) -> None:
    account = await credit(database, 1000)
    async with workers(database, 1) as [worker]:
        worker.end(account, await admitted(worker, account), ONE)
        async with database.acquire() as connection:
            await connection.execute("alter table credit_leases rename to hidden")
        held = worker.book.pockets[account].free
        assert held >= 2
        spent = [worker.book.reserve(account, ONE) for _ in range(int(held))]
        assert None not in spent
        assert await worker.reserve(account, ONE, 0.5) is Shortage.UNKNOWN
        async with database.acquire() as connection:
            await connection.execute("alter table hidden rename to credit_leases")
        await admitted(worker, account)
