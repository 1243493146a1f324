"""Entries of the ledger in PostgreSQL, to be looked through."""

from datetime import datetime
from decimal import Decimal
from typing import get_args
from uuid import UUID

import msgspec

from dwctl.control.transactions.structs import Transaction, TransactionType
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.usage.money import plain
from dwctl.web.paging import Window

_EACH = ("list_transactions", "count_transactions", "balance_after")
_GROUPED = ("list_grouped", "count_grouped", "balance_after_grouped")
_KINDS: dict[str, TransactionType] = {kind: kind for kind in get_args(TransactionType)}
COUNT_MOST = 100_000
"""Beyond it a total is not counted: it is this number."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries; None does not narrow."""

    account_id: UUID | None = None
    kinds: list[str] | None = None
    start: datetime | None = None
    end: datetime | None = None
    search: str | None = None
    grouped: bool = False
    """Whether the charges of a batch are one entry."""


class Row(msgspec.Struct, frozen=True):
    """An entry, or what a batch was charged in all."""

    id: UUID
    kind: str
    account_id: UUID
    amount: Decimal
    created_at: datetime
    request_id: UUID | None
    attempt: int | None
    source_id: str | None
    description: str | None
    origin: str | None
    model: str | None
    key_id: UUID | None
    actor_id: UUID | None
    batch_id: UUID | None
    completion_window: str | None
    charges: int | None
    """Of a batch."""
    account_email: str | None
    actor_email: str | None


class TransactionStore:
    """Rows of `ledger_entries`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def page(self, wanted: Wanted, window: Window) -> tuple[list[Transaction], int, Decimal]:
        """A part of the entries, how many there are, and the balance after the first of this part.

        Seen at one moment: an entry that is booked meanwhile is in all three or in none.
        """
        listed, counted, after = _GROUPED if wanted.grouped else _EACH
        filters = (wanted.account_id, wanted.kinds, wanted.start, wanted.end, wanted.search)
        async with (
            self._database.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            found = await connection.fetch(self._sql[listed], *filters, window.skip, window.limit)
            rows = [Row(*row.values()) for row in found]
            total = await connection.fetchval(self._sql[counted], *filters, COUNT_MOST)
            first = (rows[0].created_at, rows[0].id) if rows else (None, None)
            balance = await connection.fetchval(self._sql[after], wanted.account_id, *first)
        return [_shown(row) for row in rows], total, balance

    async def get(self, ident: UUID) -> Transaction | None:
        """One entry."""
        row = await self._database.fetch_row(self._sql["get_transaction"], ident)
        return None if row is None else _shown(Row(*row.values()))

    async def account_email(self, account_id: UUID) -> str | None:
        """The address of who can be granted something; None when there is nobody."""
        email: str | None = await self._database.fetch_value(self._sql["account_email"], account_id)
        return email


def _shown(row: Row) -> Transaction:
    amount = abs(row.amount)
    source = row.source_id
    if source is None:
        source = str(row.request_id)
        if row.attempt is not None and row.attempt > 1:
            source = f"{source}:{row.attempt}"
    return Transaction(
        id=row.id,
        user_id=row.account_id,
        user_email=row.account_email,
        transaction_type=_KINDS[row.kind],
        batch_id=row.batch_id,
        amount=float(amount),
        exact_amount=plain(amount),
        source_id=source,
        description=row.description,
        created_at=row.created_at,
        request_origin=row.origin,
        batch_sla=row.completion_window,
        batch_request_count=row.charges,
        model=row.model,
        api_key_id=row.key_id,
        created_by=row.actor_id,
        created_by_email=row.actor_email,
    )
