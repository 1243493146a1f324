"""People and keys with budgets on a real database, and processes that spend them through the writer's own statement."""

import asyncio
import itertools
import os
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import msgspec

from dwctl.control.budgets import BudgetWanted, Set
from dwctl.control.keys.store import KeyStore
from dwctl.control.keys.structs import KeyCreate
from dwctl.control.users.store import UserStore
from dwctl.control.users.structs import UserCreate
from dwctl.core.ids import new_id, new_uuid
from dwctl.core.metrics import Metrics
from dwctl.db.postgres import Database
from dwctl.identity.secrets import new_key
from dwctl.requests.frames import Kind, entry_of
from dwctl.requests.record import Record, State
from dwctl.requests.writer import Committer
from dwctl.usage.budgets.windows import Budget, Period, Purse, purses
from dwctl.usage.credit.claims import Claim
from dwctl.usage.credit.pockets import Shortage
from dwctl.usage.credit.reservation import Reservation
from dwctl.usage.ledger import Booking, LedgerStore
from tests.usage.credit_house import Worker

NOON = 1_800_000_000.0 // 86_400 * 86_400 + 43_200
"""The moment at which these calls are admitted, unless told otherwise: a Friday."""
_NUMBERS = itertools.count(1)


class Owner:
    """An account with credit, its keys, and the budgets of both."""

    def __init__(self, database: Database, ident: UUID) -> None:
        self.database = database
        self.id = ident
        self.budgets: dict[str, Budget] = {}
        """Of keys by their id, and of the account."""
        self._keys = KeyStore(database)
        self._users = UserStore(database)

    async def key(self, amount: object = None, period: Period = "total") -> str:
        """A new key, perhaps with a budget."""
        key_id, wanted = new_uuid(), KeyCreate(name=f"key {next(_NUMBERS)}")
        budget = None if amount is None else Set(amount=Decimal(str(amount)), period=period)
        await self._keys.create(key_id, self.id, self.id, wanted, new_key(), budget)
        self._know("key", str(key_id), budget)
        return str(key_id)

    async def change(self, key_id: str, amount: object, period: Period = "total") -> None:
        """Another budget of a key."""
        budget = None if amount is None else Set(amount=Decimal(str(amount)), period=period)
        await self._keys.change_budget(self.id, UUID(key_id), lambda _: budget, counted=budget is not None)
        self._know("key", key_id, budget)

    async def bound(self, amount: object, period: Period = "total") -> None:
        """A budget of the account."""
        budget = None if amount is None else Set(amount=Decimal(str(amount)), period=period)
        wanted = None if budget is None else BudgetWanted(amount=budget.amount, period=budget.period)
        await self._users.set_budget(self.id, wanted)
        self._know("account", str(self.id), budget)

    def wallet(self, key_id: str, now: float = NOON) -> tuple[Purse, ...]:
        """What a call of a key needs beside credit."""
        known = (self.budgets.get(key_id), self.budgets.get(str(self.id)))
        return purses([budget for budget in known if budget is not None], now)

    def _know(self, scope: str, ident: str, budget: Set | None) -> None:
        if budget is None:
            self.budgets.pop(ident, None)
        else:
            self.budgets[ident] = Budget(
                scope="key" if scope == "key" else "account",
                id=ident,
                name="n",
                amount=budget.amount,
                period=budget.period,
            )


async def owner(database: Database, credit: object = 1_000_000) -> Owner:
    """A new one."""
    name = f"person {next(_NUMBERS)}"
    ident = await UserStore(database).create(UserCreate(username=name, email=f"{new_id()}@example.com"))
    await LedgerStore(database).book(
        Booking(kind="admin_grant", account_id=ident, amount=Decimal(str(credit)), source_id=name + new_id())
    )
    return Owner(database, ident)


def committer(database: Database) -> Committer:
    """The writer's statement."""
    return Committer(database, Path(os.devnull), Metrics())


def charge(account: str, key_id: str, cost: object, now: float = NOON) -> Record:
    """A call of a key that was admitted then and has cost something."""
    return Record(
        id=new_id(),
        created_at=now,
        path="/v1/chat/completions",
        model="m",
        owner_id=account,
        creator_id=account,
        key_id=key_id,
        daemon_id=account,
        tariff_id=account,
        state=State.COMPLETED,
        completed_at=now + 1,
        status_code=200,
        cost=Decimal(str(cost)),
    )


class Spender(Worker):
    """A process whose charges go through the writer's statement."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.records: list[Record] = []
        self.committer = committer(self.database)

    async def claim(
        self, account: str, wallet: Sequence[Purse], amount: Decimal, wait: float
    ) -> Reservation | tuple[Shortage, str | None]:
        """As a call does it: its reservation, or what it lacks and of which pocket; no name is the credit."""
        if wallet:
            found: Reservation | None = self.book.reserve_all(account, wallet, amount)
        else:
            found = self.book.reserve(account, amount)
        if found is not None:
            return found
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Reservation | tuple[Shortage, str | None]] = loop.create_future()

        def told(outcome: Reservation | Shortage, purse: Purse | None) -> None:
            lacks = None if purse is None else purse.name
            done.set_result((outcome, lacks) if isinstance(outcome, Shortage) else outcome)

        claim = Claim(self.book, account, wallet, amount, told)
        timer = loop.call_later(wait, claim.give_up)
        claim.begin()
        try:
            return await done
        finally:
            timer.cancel()

    def spend(self, record: Record, reservation: Reservation) -> None:
        """A call has ended."""
        self.noted += 1
        self.records.append(record)
        self.book.settle(reservation, record.cost or Decimal(0))

    async def commit(self) -> None:
        """What the writer does."""
        records, self.records = self.records, []
        await self.committer.commit(
            [entry_of(Kind.FINISHED, msgspec.json.encode(each), b"") for each in records]
        )
        self.done += len(records)
