"""One truth about money and work: what rows cost, what was charged, what balances, budgets and batches say (decisions
0028, 0032, 0034).
"""

from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec

from dwctl.db.postgres import Database
from dwctl.db.queries import Queries

NAMED_MOST = 100
"""Differences of each kind that are named."""


class Totals(msgspec.Struct, frozen=True):
    """Sums over everything."""

    costs: Decimal
    """Of the rows that are there."""
    charges: Decimal
    """Of the entries that are charges; above the costs by what dropped rows cost."""
    entries: Decimal
    balances: Decimal


class WrongBalance(msgspec.Struct, frozen=True):
    """An account whose balance is not the sum of its entries."""

    account_id: UUID
    balance: Decimal
    entries: Decimal


class WrongCost(msgspec.Struct, frozen=True):
    """A request whose row does not say what its account was charged for it."""

    request_id: UUID
    account_id: UUID
    cost: Decimal
    charged: Decimal


class WrongSpend(msgspec.Struct, frozen=True):
    """An account or a key of which budgets count something else than what it was charged."""

    scope: str
    id: UUID
    day: date | None
    """None for the sum of all days."""
    spent: Decimal
    charged: Decimal


class WrongBatch(msgspec.Struct, frozen=True):
    """A batch that counts something else than its requests' rows or its charges say."""

    batch_id: UUID
    what: str
    counted: Decimal
    found: Decimal


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, at one moment."""

    totals: Totals
    balances: list[WrongBalance]
    costs: list[WrongCost]
    spend: list[WrongSpend]
    batches: list[WrongBatch]


async def audit(database: Database) -> Audit:
    """Compare; reads every row and entry, beside a server that goes on."""
    sql = Queries.load(__package__)
    async with database.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        (totals,) = await connection.fetch(sql["ledger_totals"])
        balances = await connection.fetch(sql["balances_that_differ"], NAMED_MOST)
        costs = await connection.fetch(sql["costs_that_differ"], NAMED_MOST)
        spend = await connection.fetch(sql["spend_that_differs"], NAMED_MOST)
        batches = await connection.fetch(sql["batches_that_differ"], NAMED_MOST)
    return Audit(
        totals=Totals(*totals.values()),
        balances=[WrongBalance(*row.values()) for row in balances],
        costs=[WrongCost(*row.values()) for row in costs],
        spend=[WrongSpend(*row.values()) for row in spend],
        batches=[WrongBatch(*row.values()) for row in batches],
    )
