"""Entries of the ledger that are no charges, and balances (spec/platform §7.1, §7.4; decision 0028).

Charges are booked by the statement that writes a call's row (requests/queries.sql).
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries

Kind = Literal["purchase", "admin_grant", "admin_removal"]
RESERVED = "dwctl:"
"""What a source made here begins with, so that nobody books one of them in advance."""


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """An entry to be made."""

    kind: Kind
    account_id: UUID
    amount: Decimal
    """Above zero; what it does to the balance lies in the kind."""
    source_id: str
    """What it comes from; a second booking of it is none."""
    description: str | None = None
    actor_id: UUID | None = None
    """Who books it by hand."""


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that was made."""

    id: UUID
    created_at: datetime


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has."""

    balance: Decimal = Decimal(0)
    low_balance_threshold: Decimal | None = None
    low_since: datetime | None = None
    """Since when the balance is below the threshold; None when it is not."""


class LedgerStore:
    """Rows of `ledger_entries` and `accounts`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def book(self, booking: Booking) -> Booked | None:
        """Make an entry and move the balance; None when its source is booked already."""
        async with self._database.transaction() as connection:
            return await self.book_in(connection, booking)

    async def book_in(self, connection: Connection, booking: Booking) -> Booked | None:
        """The same as a part of another transaction."""
        ident = new_uuid()
        row = await connection.fetchrow(
            self._sql["book"],
            ident,
            booking.kind,
            booking.account_id,
            -booking.amount if booking.kind == "admin_removal" else booking.amount,
            booking.source_id,
            booking.description,
            booking.actor_id,
        )
        return None if row is None else Booked(id=ident, created_at=row["created_at"])

    async def accounts(self, ids: Iterable[UUID]) -> dict[UUID, Account]:
        """Balances; who has none yet is not in it, and has zero."""
        return {
            row["id"]: Account(
                balance=row["balance"],
                low_balance_threshold=row["low_balance_threshold"],
                low_since=row["low_since"],
            )
            for row in await self._database.fetch(self._sql["balances"], list(ids))
        }

    async def set_threshold(self, account_id: UUID, threshold: Decimal | None) -> None:
        """Below which balance an account is low; None for never."""
        await self._database.execute(self._sql["set_threshold"], account_id, threshold)


def initial(account_id: UUID, amount: Decimal) -> Booking:
    """The first credit of a new account."""
    return Booking(
        kind="admin_grant",
        account_id=account_id,
        amount=amount,
        source_id=f"{RESERVED}initial:{account_id}",
        description="Initial credit",
    )
