"""Transactions on the wire (spec/platform §1.7)."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

from dwctl.web.body import Body
from dwctl.web.paging import Page

TransactionType = Literal["purchase", "admin_grant", "admin_removal", "usage"]


class TransactionCreate(Body, kw_only=True):
    """Body of POST."""

    user_id: UUID
    transaction_type: Literal["admin_grant", "admin_removal"]
    amount: Decimal
    """Above zero, whatever the type."""
    source_id: str
    """What it comes from. One that is booked already is a 409, so a POST can be repeated."""
    description: str | None = None


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the ledger as shown."""

    id: UUID
    user_id: UUID
    user_email: str | None
    """Whose entry it is, for lists of several accounts."""
    transaction_type: TransactionType
    batch_id: UUID | None = None
    """The batch whose work it is. The batch's own id is that of the entry in which all its charges are one."""
    amount: float
    """Above zero; what it does to the balance lies in the type. For reading: `exact_amount` has every digit."""
    exact_amount: str
    source_id: str
    """Of usage the id of the request, and which attempt it was if not the first; of a batch its id."""
    description: str | None
    created_at: datetime
    """When it was booked; of a batch the first of its charges."""
    request_origin: str | None
    batch_sla: str | None = None
    """The batch's completion window."""
    batch_request_count: int | None = None
    """Of a batch the charges in this entry; a request that was charged twice, such as by a retry, counts twice."""
    model: str | None
    """Of usage the model asked for, and the key that asked; null where a session did."""
    api_key_id: UUID | None
    created_by: UUID | None
    """Who booked a grant or a removal."""
    created_by_email: str | None
    """For those who may read everyone's."""


class TransactionPage(Page[Transaction], frozen=True, kw_only=True):
    """The envelope."""

    page_start_balance: str
    """The balance after the first entry of this page, of everyone together with `all`; a decimal string."""
