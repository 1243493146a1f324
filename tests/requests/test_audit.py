"""Rows, ledger and balances have one sum; whatever differs is named."""

from decimal import Decimal
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from dwctl.core.ids import new_id, new_uuid
from dwctl.core.metrics import Metrics
from dwctl.db.postgres import Database
from dwctl.requests.audit import Totals, WrongBalance, WrongCost, audit
from dwctl.requests.writer import Committer
from dwctl.usage.ledger import Booking, LedgerStore
from tests.requests.test_charges import ended, entry

OWNER = new_uuid()


@pytest.fixture
async def charged(database: Database, data_dir: Path) -> UUID:
    """A granted account with two charged calls; gives one of them."""
    await LedgerStore(database).book(
        Booking(kind="admin_grant", account_id=OWNER, amount=Decimal(10), source_id="s")
    )
    committer = Committer(database, data_dir / "rejected.jsonl", Metrics())
    ident = new_id()
    for one in (ident, new_id()):
        await committer.commit([entry(ended(str(OWNER), one, Decimal("1.5")))])
    free = msgspec.structs.replace(ended(str(OWNER), new_id(), None), tariff_id=None)
    await committer.commit([entry(free)])
    return UUID(ident)


async def test_what_agrees_is_told_in_sums(database: Database, charged: UUID) -> None:
    found = await audit(database)
    assert found.totals == Totals(Decimal(3), Decimal(3), Decimal(7), Decimal(7))
    assert (found.balances, found.costs) == ([], [])


async def test_a_wrong_balance_is_named(database: Database, charged: UUID) -> None:
    await database.execute("update accounts set balance = balance + 1")
    assert (await audit(database)).balances == [WrongBalance(OWNER, Decimal(8), Decimal(7))]
    await database.execute("delete from accounts")
    assert (await audit(database)).balances == [WrongBalance(OWNER, Decimal(0), Decimal(7))]


@pytest.mark.parametrize(("change", "says"), [("cost = 2", "2"), ("cost = null", "0"), ("cost = 0", "0")])
async def test_a_row_that_says_something_else_is_named(
    database: Database, charged: UUID, change: str, says: str
) -> None:
    await database.execute(
        "update requests set cost = case $2 when 'cost = 2' then 2 when 'cost = 0' then 0 end where id = $1",
        charged,
        change,
    )
    assert (await audit(database)).costs == [WrongCost(charged, OWNER, Decimal(says), Decimal("1.5"))]


async def test_a_row_that_was_never_charged_is_named(database: Database, charged: UUID) -> None:
    await database.execute("update requests set cost = 1 where cost is null")
    (wrong,) = (await audit(database)).costs
    assert (wrong.account_id, wrong.cost, wrong.charged) == (OWNER, Decimal(1), Decimal(0))


async def test_a_charge_without_its_row_is_named_unless_its_day_was_dropped(
    database: Database, charged: UUID
) -> None:
    await database.execute("delete from requests where id = $1", charged)
    assert (await audit(database)).costs == [WrongCost(charged, OWNER, Decimal(0), Decimal("1.5"))]
    await database.execute("select ensure_request_partitions(current_date + 1, 2)")
    found = await audit(database)
    assert found.costs == []
    assert found.totals.charges - found.totals.costs == Decimal("1.5")


async def test_a_day_that_was_dropped_between_others_is_left_alone(database: Database, charged: UUID) -> None:
    """An older day stays, for a batch needs it."""
    await database.execute("select ensure_request_partitions(current_date - 2, 5)")
    await database.execute("delete from requests where id = $1", charged)
    assert [wrong.request_id for wrong in (await audit(database)).costs] == [charged]
    day = await database.fetch_value("select current_date")
    assert await database.fetch_value("select drop_request_day($1)", day)
    assert (await audit(database)).costs == []
