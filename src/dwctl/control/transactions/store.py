"""Entries of the ledger in PostgreSQL, to be looked through."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from dwctl.control.transactions.structs import Transaction
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.usage.money import plain
from dwctl.web.paging import Window

COUNT_MOST = 100_000
"""Beyond it a total is not counted: it is this number."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries; None does not narrow."""

    account_id: UUID | None = None
    kinds: list[str] | None = None
    start: datetime | None = None
    end: datetime | None = None
    search: str | None = None


class TransactionStore:
    """Rows of `ledger_entries`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def page(self, wanted: Wanted, window: Window) -> tuple[list[Transaction], int, Decimal]:
        """A part of the entries, how many there are, and the balance after the first of this part.

        Seen at one moment: an entry that is booked meanwhile is in all three or in none.
        """
        filters = (wanted.account_id, wanted.kinds, wanted.start, wanted.end, wanted.search)
        async with (
            self._database.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            rows = await connection.fetch(self._sql["list_transactions"], *filters, window.skip, window.limit)
            total = await connection.fetchval(self._sql["count_transactions"], *filters, COUNT_MOST)
            first = (rows[0]["created_at"], rows[0]["id"]) if rows else (None, None)
            balance = await connection.fetchval(self._sql["balance_after"], wanted.account_id, *first)
        return [_shown(row) for row in rows], total, balance

    async def get(self, ident: UUID) -> Transaction | None:
        """One entry."""
        row = await self._database.fetch_row(self._sql["get_transaction"], ident)
        return None if row is None else _shown(row)

    async def account_email(self, account_id: UUID) -> str | None:
        """The address of who can be granted something; None when there is nobody."""
        email: str | None = await self._database.fetch_value(self._sql["account_email"], account_id)
        return email


def _shown(row: Any) -> Transaction:
    amount: Decimal = abs(row["amount"])
    source: str | None = row["source_id"]
    if source is None:
        source = str(row["request_id"])
        if row["attempt"] > 1:
            source = f"{source}:{row['attempt']}"
    return Transaction(
        id=row["id"],
        user_id=row["account_id"],
        user_email=row["account_email"],
        transaction_type=row["kind"],
        amount=float(amount),
        exact_amount=plain(amount),
        source_id=source,
        description=row["description"],
        created_at=row["created_at"],
        request_origin=row["origin"],
        model=row["model"],
        api_key_id=row["key_id"],
        created_by=row["actor_id"],
        created_by_email=row["actor_email"],
    )
