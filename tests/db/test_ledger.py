"""What the schema of prices and the ledger refuses by itself, whoever writes."""

from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database

NIL = UUID(int=0)
ENTRY = "insert into ledger_entries (id, kind, account_id, amount, source_id) values ($1, $2, $3, $4, $5)"
TARIFF = (
    "insert into model_tariffs (id, model_id, name, purpose, completion_window, input_price, output_price) "
    "values ($1, $2, 'standard', $3, $4, $5, 0)"
)


async def a_model(database: Database) -> UUID:
    endpoint, model = new_uuid(), new_uuid()
    await database.execute(
        "insert into endpoints (id, name, url, created_by) values ($1, 'one', 'http://x/', $2)", endpoint, NIL
    )
    await database.execute(
        "insert into models (id, alias, model_name, endpoint_id, created_by) values ($1, 'm', 'm', $2, $3)",
        model,
        endpoint,
        NIL,
    )
    return model


@pytest.mark.parametrize(
    "statement",
    [
        "update ledger_entries set amount = 2",
        "update ledger_entries set description = 'x' where false",
        "delete from ledger_entries",
        "truncate ledger_entries",
    ],
)
async def test_entries_stay_as_they_are(database: Database, statement: str) -> None:
    await database.execute(ENTRY, new_uuid(), "admin_grant", NIL, Decimal(1), "a")
    with pytest.raises(asyncpg.RestrictViolationError, match="never changed or deleted"):
        await database.execute(statement)


@pytest.mark.parametrize(
    ("kind", "amount"),
    [("admin_grant", -1), ("admin_removal", 1), ("purchase", -1), ("admin_grant", 0), ("purchase", "NaN")],
)
async def test_the_sign_is_that_of_the_kind(database: Database, kind: str, amount: int | str) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await database.execute(ENTRY, new_uuid(), kind, NIL, Decimal(amount), "a")


async def test_a_source_is_booked_once_whatever_the_kind(database: Database) -> None:
    await database.execute(ENTRY, new_uuid(), "admin_grant", NIL, Decimal(1), "a")
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute(ENTRY, new_uuid(), "admin_removal", NIL, Decimal(-1), "a")


async def test_a_charge_has_a_request_and_nothing_else_has_one(database: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await database.execute(ENTRY, new_uuid(), "usage", NIL, Decimal(-1), "a")


async def test_a_tariff_is_closed_and_then_nothing_more(database: Database) -> None:
    model, tariff = await a_model(database), new_uuid()
    await database.execute(TARIFF, tariff, model, None, None, Decimal("0.000001"))
    for change in (
        "update model_tariffs set input_price = 1",
        "update model_tariffs set name = 'other'",
        "update model_tariffs set valid_from = '2000-01-01'",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await database.execute(change)
    await database.execute("update model_tariffs set valid_until = now()")
    for change in (
        "update model_tariffs set valid_until = null",
        "update model_tariffs set valid_until = now() + interval '1 day'",
        "delete from model_tariffs",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await database.execute(change)


async def test_a_tariff_outlives_its_model(database: Database) -> None:
    model = await a_model(database)
    await database.execute(TARIFF, new_uuid(), model, None, None, Decimal(1))
    await database.execute(TARIFF, new_uuid(), model, "realtime", None, Decimal(1))
    await database.execute("update model_tariffs set valid_until = now() where purpose is null")
    await database.execute("delete from endpoints")
    assert await database.fetch_value("select count(*) from model_tariffs where model_id is null") == 2


@pytest.mark.parametrize(
    ("purpose", "window", "price"),
    [
        ("batch", None, "1"),
        ("realtime", "24h", "1"),
        (None, "24h", "1"),
        ("realtime", None, "-1"),
        ("realtime", None, "NaN"),
        ("realtime", None, "100000"),
        ("other", None, "1"),
    ],
)
async def test_a_tariff_that_cannot_be_one(
    database: Database, purpose: str | None, window: str | None, price: str
) -> None:
    model = await a_model(database)
    with pytest.raises((asyncpg.CheckViolationError, asyncpg.NumericValueOutOfRangeError)):
        await database.execute(TARIFF, new_uuid(), model, purpose, window, Decimal(price))


async def test_one_tariff_of_a_kind_is_in_force(database: Database) -> None:
    model = await a_model(database)
    for purpose, window in ((None, None), ("realtime", None), ("batch", "24h"), ("batch", "1h")):
        await database.execute(TARIFF, new_uuid(), model, purpose, window, Decimal(1))
        with pytest.raises(asyncpg.UniqueViolationError):
            await database.execute(TARIFF, new_uuid(), model, purpose, window, Decimal(2))
