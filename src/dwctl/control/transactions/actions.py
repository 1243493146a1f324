"""Who may see and make which entries of the ledger (spec/platform §1.7)."""

from datetime import UTC, datetime
from typing import get_args
from uuid import UUID

import msgspec

from dwctl.control.transactions.store import TransactionStore, Wanted
from dwctl.control.transactions.structs import (
    Transaction,
    TransactionCreate,
    TransactionPage,
    TransactionType,
)
from dwctl.core.errors import BadRequest, Conflict, NotFound
from dwctl.identity.permissions import Operation, Resource, Scope, allows, require
from dwctl.identity.principal import Principal
from dwctl.usage.amounts import amount_fault
from dwctl.usage.ledger import RESERVED, Booking, LedgerStore
from dwctl.usage.money import plain
from dwctl.web.paging import Window

KINDS: tuple[str, ...] = get_args(TransactionType)
MAX_SOURCE = 255
MAX_DESCRIPTION = 2048


class TransactionActions:
    """Rules before rows."""

    def __init__(self, store: TransactionStore, ledger: LedgerStore) -> None:
        self._store = store
        self._ledger = ledger

    async def create(self, who: Principal, wanted: TransactionCreate) -> Transaction:
        """Grant or remove credit; 409 when the source is booked already."""
        require(who, Resource.CREDITS, Operation.CREATE)
        if (fault := amount_fault(wanted.amount)) is not None:
            raise BadRequest(f"amount: {fault}, got '{wanted.amount}'")
        source = wanted.source_id
        if not source.strip() or len(source) > MAX_SOURCE:
            raise BadRequest(f"source_id: expected 1 to {MAX_SOURCE} characters that are not all blank")
        if source.startswith(RESERVED):
            raise BadRequest(f"source_id: expected one that does not begin with '{RESERVED}', got '{source}'")
        if wanted.description is not None and len(wanted.description) > MAX_DESCRIPTION:
            raise BadRequest(f"description: expected at most {MAX_DESCRIPTION} characters")
        email = await self._store.account_email(wanted.user_id)
        if email is None:
            raise BadRequest(f"user_id: there is no user with ID {wanted.user_id}")
        booked = await self._ledger.book(
            Booking(
                kind=wanted.transaction_type,
                account_id=wanted.user_id,
                amount=wanted.amount,
                source_id=source,
                description=wanted.description,
                actor_id=who.user_id,
            )
        )
        if booked is None:
            text = f"A transaction with the source_id '{source}' already exists."
            raise Conflict(text, {"resource": "transaction"})
        return Transaction(
            id=booked.id,
            user_id=wanted.user_id,
            user_email=email,
            transaction_type=wanted.transaction_type,
            amount=float(wanted.amount),
            exact_amount=plain(wanted.amount),
            source_id=source,
            description=wanted.description,
            created_at=booked.created_at,
            request_origin=None,
            model=None,
            api_key_id=None,
            created_by=who.user_id,
            created_by_email=who.email,
        )

    async def get(self, who: Principal, ident: UUID) -> Transaction:
        """One entry; 404 for one of another account, unless one may read all."""
        found = await self._store.get(ident)
        own = who.owner_id if who.leads else who.user_id
        if found is None or (found.user_id not in (who.user_id, own) and not self._sees_all(who)):
            raise NotFound(f"Transaction with ID {ident} not found")
        return self._shown(who, found)

    async def page(
        self, who: Principal, wanted: Wanted, window: Window, *, everyone: bool
    ) -> TransactionPage:
        """One's own entries, or those of the organization for which one acts and which one leads.

        Another account's or everyone's for those who may read all.
        """
        require(who, Resource.CREDITS, Operation.READ, Scope.OWN)
        account: UUID | None = wanted.account_id or (who.owner_id if who.in_organization else who.user_id)
        if everyone:
            account = None
        if account != who.user_id and not (who.leads and account == who.owner_id):
            require(who, Resource.CREDITS, Operation.READ)
        for kind in wanted.kinds or ():
            if kind not in KINDS:
                raise BadRequest(f"transaction_types: expected some of {', '.join(KINDS)}, got '{kind}'")
        wanted = msgspec.structs.replace(wanted, account_id=account)
        entries, total, balance = await self._store.page(wanted, window)
        entries = [self._shown(who, entry) for entry in entries]
        return TransactionPage(entries, total, window.skip, window.limit, page_start_balance=plain(balance))

    def _shown(self, who: Principal, entry: Transaction) -> Transaction:
        """Without the address of an administrator for those who only see their own."""
        return entry if self._sees_all(who) else msgspec.structs.replace(entry, created_by_email=None)

    @staticmethod
    def _sees_all(who: Principal) -> bool:
        return allows(who, Resource.CREDITS, Operation.READ, Scope.ALL)


def moment(given: datetime | None) -> datetime | None:
    """A moment of a filter; one without a zone is in UTC."""
    return given.replace(tzinfo=UTC) if given is not None and given.tzinfo is None else given
