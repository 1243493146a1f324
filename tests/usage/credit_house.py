"""Several processes' pockets on one real database; calls and the spool are imitated, so that thousands take seconds."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.usage.credit.book import PocketBook
from dwctl.usage.credit.leases import Terms
from dwctl.usage.credit.pockets import Pocket, Shortage, Waiter
from dwctl.usage.credit.reservation import Reservation
from dwctl.usage.credit.store import LeaseStore
from dwctl.usage.credit.supply import CreditSupply

CHARGE = "update accounts set balance = balance - $2 where id = $1"
INSTALLATION = UUID(int=7)


AnyWorker = TypeVar("AnyWorker", bound="Worker")


@dataclass
class Worker:
    """One process: pockets, a supply, and a spool that is committed a little later."""

    database: Database
    terms: Terms
    holder: UUID = field(default_factory=new_uuid)
    noted: int = 0
    done: int = 0
    stopping: bool = False
    spool: deque[tuple[str, Decimal]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.book = PocketBook(self.terms)
        self.supply = CreditSupply(
            book=self.book,
            store=LeaseStore(self.database, self.holder, INSTALLATION, self.terms),
            noted=lambda: self.noted,
            done=lambda: self.done,
        )

    async def reserve(self, account: str, amount: Decimal, wait: float) -> Reservation | Shortage:
        """As a call does it."""
        reservation = self.book.reserve(account, amount)
        if reservation is not None:
            return reservation
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Reservation | Shortage] = loop.create_future()
        place: tuple[Pocket, Waiter] = self.book.wait(account, amount, told.set_result)
        timer = loop.call_later(wait, self.book.give_up, *place)
        try:
            return await told
        finally:
            timer.cancel()

    def end(self, account: str, reservation: Reservation, cost: Decimal) -> None:
        """A call has ended."""
        self.noted += 1
        self.spool.append((account, cost))
        self.book.settle(reservation, cost)

    async def commit(self) -> None:
        """What the writer does."""
        count = len(self.spool)
        await self.database.execute_many(
            CHARGE, [(UUID(account), cost) for account, cost in list(self.spool)[:count]]
        )
        for _ in range(count):
            self.spool.popleft()
        self.done += count

    async def keep_committing(self) -> None:
        """Every few milliseconds, to the end: a charge that was broken off would be made twice by this imitation."""
        while not self.stopping:
            await asyncio.sleep(0.01)
            await self.commit()


def workers(
    database: Database, count: int, terms: Terms | None = None
) -> AbstractAsyncContextManager[list[Worker]]:
    """So many, running; recalls go by notices of the database as in the product."""
    return running(database, [Worker(database, terms or Terms()) for _ in range(count)])


@asynccontextmanager
async def running(database: Database, made: list[AnyWorker]) -> AsyncIterator[list[AnyWorker]]:
    """These, until the end."""
    async with database.acquire() as connection:

        def heard(_connection: object, _pid: int, _channel: str, payload: object) -> None:
            for each in made:
                each.supply.on_notice(str(payload))

        await connection.add_listener("credit", heard)
        try:
            async with asyncio.TaskGroup() as tasks:
                supplies = []
                for each in made:
                    await each.supply.start()
                    supplies.append(tasks.create_task(each.supply.run()))
                    tasks.create_task(each.keep_committing())
                yield made
                for each, task in zip(made, supplies, strict=True):
                    each.stopping = True
                    task.cancel()
            for each in made:
                await each.commit()
                await each.supply.stop()
        finally:
            await connection.remove_listener("credit", heard)


async def credit(database: Database, amount: int | Decimal) -> str:
    """An account with a balance."""
    account = new_uuid()
    await database.execute("insert into accounts (id, balance) values ($1, $2)", account, Decimal(amount))
    return str(account)


async def balance(database: Database, account: str) -> Decimal:
    """What the ledger says."""
    found: Decimal = await database.fetch_value("select balance from accounts where id = $1", UUID(account))
    return found


async def outstanding(database: Database, account: str) -> Decimal:
    """What processes hold."""
    found: Decimal = await database.fetch_value(
        "select coalesce(sum(outstanding), 0) from credit_leases where pocket = $1", account
    )
    return found
