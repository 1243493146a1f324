"""Routes of transactions (spec/platform §1.7)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from dwctl.control.transactions.actions import TransactionActions, moment
from dwctl.control.transactions.store import Wanted
from dwctl.control.transactions.structs import Transaction, TransactionCreate, TransactionPage
from dwctl.web.authentication import Who
from dwctl.web.paging import DEFAULT_LIMIT, csv, window, words


@get("/transactions")
async def list_transactions(
    principal: Who,
    transactions: NamedDependency[TransactionActions],
    skip: FromQuery[int] = 0,
    limit: FromQuery[int] = DEFAULT_LIMIT,
    search: FromQuery[str | None] = None,
    transaction_types: FromQuery[str | None] = None,
    start_date: FromQuery[datetime | None] = None,
    end_date: FromQuery[datetime | None] = None,
    group_batches: FromQuery[bool] = False,
    user_id: FromQuery[UUID | None] = None,
    everyone: Annotated[bool, QueryParameter(name="all")] = False,
) -> TransactionPage:
    """List transactions, newest first: the caller's, those of `user_id`, or with `all` everyone's.

    Both moments are included. With `group_batches` all charges of a batch are one entry, at the moment of the first.
    """
    wanted = Wanted(
        account_id=user_id,
        kinds=sorted(csv(transaction_types)) or None,
        start=moment(start_date),
        end=moment(end_date),
        search=words("search", search),
        grouped=group_batches,
    )
    return await transactions.page(principal, wanted, window(skip, limit), everyone=everyone)


@post("/transactions")
async def create_transaction(
    principal: Who, transactions: NamedDependency[TransactionActions], data: JSONBody[TransactionCreate]
) -> Transaction:
    """Grant an account credit, or remove some."""
    return await transactions.create(principal, data)


@get("/transactions/{transaction_id:uuid}")
async def get_transaction(
    principal: Who, transactions: NamedDependency[TransactionActions], transaction_id: FromPath[UUID]
) -> Transaction:
    """Get a transaction."""
    return await transactions.get(principal, transaction_id)


def router(actions: TransactionActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/",
        route_handlers=[list_transactions, create_transaction, get_transaction],
        dependencies={"transactions": Provide(lambda: actions, sync_to_thread=False)},
        tags=["transactions"],
    )
