"""Budgets on a real database, charged by the writer's statement: what storms spend, and what a change does at once."""

import asyncio
from collections import Counter
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from uuid import UUID

import msgspec
import pytest

from dwctl.db.postgres import Database
from dwctl.requests.audit import WrongSpend, audit
from dwctl.requests.entry import Entry
from dwctl.requests.frames import Kind, entry_of
from dwctl.requests.record import Record
from dwctl.usage.budgets.store import BudgetStore
from dwctl.usage.credit.leases import Terms
from dwctl.usage.credit.pockets import Shortage
from dwctl.usage.credit.reservation import Reservation
from tests.usage.budget_house import NOON, Owner, Spender, charge, committer, owner
from tests.usage.credit_house import running

ONE = Decimal(1)
PATIENCE = 30.0
DAY = 86_400.0


def spenders(database: Database, count: int) -> AbstractAsyncContextManager[list[Spender]]:
    """So many processes."""
    return running(database, [Spender(database, Terms()) for _ in range(count)])


async def admitted(spender: Spender, who: Owner, key_id: str, amount: Decimal = ONE) -> Reservation:
    """A call that goes on."""
    found = await spender.claim(str(who.id), who.wallet(key_id), amount, PATIENCE)
    assert isinstance(found, Reservation)
    return found


async def refused(spender: Spender, who: Owner, key_id: str, amount: Decimal = ONE) -> str | None:
    """A call that finds nothing; which pocket was empty, None for the credit."""
    found = await spender.claim(str(who.id), who.wallet(key_id), amount, 1.0)
    assert not isinstance(found, Reservation)
    assert found[0] is Shortage.EMPTY
    return found[1]


async def outstanding(database: Database) -> Decimal:
    """What processes hold, of everything."""
    found: Decimal = await database.fetch_value("select coalesce(sum(outstanding), 0) from credit_leases")
    return found


async def spent(database: Database, ident: object) -> Decimal:
    """What is counted of a key or an account in all."""
    found: Decimal | None = await database.fetch_value(
        "select spent from budget_spend where id = $1 and day = '-infinity'", UUID(str(ident))
    )
    return found or Decimal(0)


@dataclass
class Storm:
    """Callers at once, by key: how they end."""

    who: Owner
    made: list[Spender]
    random: Random
    ends: dict[str, Counter[object]] = field(default_factory=dict)

    async def call(self, key_id: str) -> None:
        """One caller: it reserves 1.25 and costs 1."""
        await asyncio.sleep(self.random.random() * 0.05)
        spender = self.random.choice(self.made)
        amount = ONE + Decimal("0.25")
        found = await spender.claim(str(self.who.id), self.who.wallet(key_id), amount, PATIENCE)
        ends = self.ends.setdefault(key_id, Counter())
        if isinstance(found, Reservation):
            ends[Reservation] += 1
            await asyncio.sleep(self.random.random() * 0.05)
            spender.spend(charge(str(self.who.id), key_id, 1), found)
        else:
            ends[found] += 1

    async def run(self, calls: list[str]) -> None:
        """All of them."""
        async with asyncio.TaskGroup() as callers:
            for key_id in calls:
                callers.create_task(self.call(key_id))


async def storm_on_a_key(database: Database, count: int, seed: int) -> None:
    """200 callers on a budget for 50 calls: at most one over, at least 49 go on, and other keys notice nothing."""
    who = await owner(database, 75)
    bound, free = await who.key(50), await who.key()
    async with spenders(database, count) as made:
        storm = Storm(who, made, Random(seed))
        await storm.run([bound] * 200 + [free] * 20)
    assert 49 <= storm.ends[bound][Reservation] <= 51
    (name,) = [purse.name for purse in who.wallet(bound)]
    assert storm.ends[bound][(Shortage.EMPTY, name)] == 200 - storm.ends[bound][Reservation]
    assert storm.ends[free] == {Reservation: 20}
    assert await spent(database, bound) == storm.ends[bound][Reservation]
    assert await outstanding(database) == 0


async def storm_on_everything(database: Database, count: int, seed: int) -> None:
    """Two keys with budgets below their account's, and credit: each bound holds, and the narrowest is used up."""
    random = Random(seed)
    credit, budget = random.choice([40, 1000]), random.choice([45, 1000])
    who = await owner(database, credit)
    await who.bound(budget, "month")
    keys = [await who.key(30, "day"), await who.key(30, "week")]
    async with spenders(database, count) as made:
        storm = Storm(who, made, random)
        await storm.run(random.sample(keys * 60, 120))
    used = [storm.ends[key_id][Reservation] for key_id in keys]
    narrowest = min(60, credit, budget)
    assert max(used) <= 31
    assert narrowest - 2 <= sum(used) <= min(62, credit + 1, budget + 1)
    assert [await spent(database, key_id) for key_id in keys] == used
    assert await spent(database, who.id) == sum(used)
    assert await outstanding(database) == 0
    assert (await audit(database)).spend == []


@pytest.mark.parametrize("count", [1, 2, 4])
async def test_a_storm_on_one_key_spends_its_budget_and_no_more(database: Database, count: int) -> None:
    await storm_on_a_key(database, count, count)


@pytest.mark.parametrize("count", [1, 2, 4])
async def test_a_storm_on_several_budgets_keeps_each(database: Database, count: int) -> None:
    await storm_on_everything(database, count, count)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(30))
async def test_storms_of_all_kinds(database: Database, seed: int) -> None:
    await storm_on_a_key(database, seed % 4 + 1, seed)
    await storm_on_everything(database, seed % 4 + 1, seed)


async def test_a_call_pays_from_each_pocket_and_each_has_to_have_it(database: Database) -> None:
    who = await owner(database, 100)
    await who.bound(10)
    key_id, other, free = await who.key(4), await who.key(), await who.key()
    async with spenders(database, 1) as [spender]:
        found = await admitted(spender, who, key_id, Decimal(5))
        assert await refused(spender, who, key_id) == who.wallet(key_id)[0].name
        spender.spend(charge(str(who.id), key_id, 3), found)
        for used in (key_id, other):
            spender.spend(charge(str(who.id), used, 5), await admitted(spender, who, used, Decimal(5)))
        # The key has spent 8 of 4, the account 13 of 10.
        assert await refused(spender, who, key_id) == who.wallet(key_id)[0].name
        assert await refused(spender, who, free) == who.wallet(free)[0].name
    assert await spent(database, key_id) == 8
    assert await spent(database, who.id) == 13


async def test_who_finds_no_credit_gives_its_budget_back(database: Database) -> None:
    who = await owner(database, 5)
    key_id, free = await who.key(100), await who.key()
    async with spenders(database, 1) as [spender]:
        last = await admitted(spender, who, free, Decimal(5))
        assert await refused(spender, who, key_id, Decimal(5)) is None
        assert all(
            pocket.reserved == (5 if name == str(who.id) else 0)
            for name, pocket in spender.book.pockets.items()
        )
        spender.spend(charge(str(who.id), free, 1), last)
        await admitted(spender, who, key_id, Decimal(5))


async def test_a_budget_is_lowered_and_raised_for_the_next_call(database: Database) -> None:
    who = await owner(database)
    key_id = await who.key(1000)
    async with spenders(database, 2) as made:
        for spender in made:
            spender.spend(charge(str(who.id), key_id, 1), await admitted(spender, who, key_id))
            assert spender.book.pockets[who.wallet(key_id)[0].name].free > 0
        await who.change(key_id, 2)
        for spender in made:
            assert await refused(spender, who, key_id) == who.wallet(key_id)[0].name
        await who.change(key_id, 3)
        over = await admitted(made[0], who, key_id)
        assert await refused(made[1], who, key_id) == who.wallet(key_id)[0].name
        made[0].spend(charge(str(who.id), key_id, 1), over)
        await who.change(key_id, None)
        assert who.wallet(key_id) == ()
        for spender in made:
            await admitted(spender, who, key_id)


async def test_what_calls_under_way_leave_is_not_spent_after_the_budget_was_lowered(
    database: Database,
) -> None:
    who = await owner(database)
    key_id = await who.key(1000)
    async with spenders(database, 1) as [spender]:
        running_calls = [await admitted(spender, who, key_id, Decimal(100)) for _ in range(5)]
        await who.change(key_id, 3)
        assert await refused(spender, who, key_id) == who.wallet(key_id)[0].name
        for found in running_calls:
            spender.spend(charge(str(who.id), key_id, 1), found)
            assert spender.book.reserve_all(str(who.id), who.wallet(key_id), ONE) is None
        assert await refused(spender, who, key_id) == who.wallet(key_id)[0].name
    assert await spent(database, key_id) == 5


async def test_each_period_has_its_own_spend_and_a_call_that_of_its_admission(database: Database) -> None:
    who = await owner(database)
    key_id = await who.key(2, "day")
    midnight = NOON // DAY * DAY + DAY
    before, after = who.wallet(key_id, midnight - 0.000001), who.wallet(key_id, midnight)
    async with spenders(database, 1) as [spender]:
        account = str(who.id)
        for wallet, now in ((before, midnight - 0.000001), (after, midnight)):
            for _ in range(2):
                found = await spender.claim(account, wallet, ONE, PATIENCE)
                assert isinstance(found, Reservation)
                spender.spend(charge(account, key_id, 1, now), found)
            assert await spender.claim(account, wallet, ONE, 1.0) == (Shortage.EMPTY, wallet[0].name)
    found_at = {
        now: await BudgetStore(database).spent("key", {UUID(key_id): "day"}, now) for now in (NOON, midnight)
    }
    assert found_at == {NOON: {UUID(key_id): 2}, midnight: {UUID(key_id): 2}}
    assert await BudgetStore(database).spent("key", {UUID(key_id): "month"}, midnight) == {UUID(key_id): 4}


async def test_a_first_budget_counts_what_was_spent_before(database: Database) -> None:
    who = await owner(database)
    key_id, other = await who.key(), await who.key()
    written = committer(database)
    for ident, cost, now in ((key_id, 3, NOON), (other, 4, NOON), (key_id, 5, NOON - 3 * DAY)):
        await written.commit([entry(charge(str(who.id), ident, cost, now))])
    assert await database.fetch_value("select count(*) from budget_spend") == 0
    await who.change(key_id, 9, "week")
    store = BudgetStore(database)
    # The days are a Friday and the Tuesday before.
    assert await store.spent("key", {UUID(key_id): "day", UUID(other): "total"}, NOON) == {
        UUID(key_id): 3,
        UUID(other): 4,
    }
    assert await store.spent("key", {UUID(key_id): "week"}, NOON) == {UUID(key_id): 8}
    assert await store.spent("account", {who.id: "total"}, NOON) == {who.id: 12}
    async with spenders(database, 1) as [spender]:
        await admitted(spender, who, key_id)
        await refused(spender, who, key_id)
    assert (await audit(database)).spend == []


def entry(record: Record) -> Entry:
    """As it lies in the spool."""
    return entry_of(Kind.FINISHED, msgspec.json.encode(record), b"")


@dataclass
class Rush:
    """Charges of an account that come while it gets its first budgets."""

    database: Database
    who: Owner
    keys: list[str]
    random: Random
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def charge(self) -> None:
        """Batch after batch, some of it twice."""
        written = committer(self.database)
        for number in range(25):
            batch = [
                entry(charge(str(self.who.id), self.random.choice(self.keys), self.random.randrange(1, 9)))
                for _ in range(4)
            ]
            await written.commit(batch)
            await written.commit(batch[:2])
            if number == self.random.randrange(10):
                self.begun.set()
        self.begun.set()

    async def bind(self) -> None:
        """Two budgets, somewhere in between."""
        await self.begun.wait()
        await self.who.change(self.keys[0], 1000)
        await self.who.bound(5000, "month")


async def test_charges_that_come_while_a_budget_is_made_are_counted_once(database: Database) -> None:
    for seed in range(6):
        who = await owner(database)
        rush = Rush(database, who, [await who.key() for _ in range(3)], Random(seed))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(rush.charge())
            tasks.create_task(rush.bind())
        assert await spent(database, who.id) == await database.fetch_value(
            "select -sum(amount) from ledger_entries where account_id = $1 and kind = 'usage'", who.id
        )
    assert (await audit(database)).spend == []


async def test_a_wrong_count_is_named(database: Database) -> None:
    who = await owner(database)
    key_id = await who.key(10)
    await committer(database).commit([entry(charge(str(who.id), key_id, 3))])
    await database.execute("update budget_spend set spent = 2 where scope = 'key' and day = '-infinity'")
    assert (await audit(database)).spend == [WrongSpend("key", UUID(key_id), None, Decimal(2), Decimal(3))]
    await database.execute("delete from budget_spend where scope = 'key' and day = '-infinity'")
    assert (await audit(database)).spend == [WrongSpend("key", UUID(key_id), None, Decimal(0), Decimal(3))]


async def test_what_nobody_budgets_is_not_counted(database: Database) -> None:
    who, other = await owner(database), await owner(database)
    await other.bound(5)
    key_id = await who.key()
    await committer(database).commit([entry(charge(str(who.id), key_id, 3))])
    assert await database.fetch_value("select count(*) from budget_spend") == 0
