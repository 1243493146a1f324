"""A product whose model has a price, with an account that tests fill and callers empty."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Self
from uuid import UUID

import asyncpg
import httpx

from dwctl.core.ids import new_uuid
from dwctl.db.embedded import EmbeddedPostgres
from tests.fakes.model import MODEL
from tests.server_process import Product

COST = 5
"""What each call costs: the words of the fake server's answer, at one a token."""
RESERVED = 8
"""What it reserves: what it allows."""
SETTLED_WITHIN = 60.0
_TARIFF = """
    insert into model_tariffs (id, model_id, name, input_price, output_price)
    select $1, id, 'words', 0, 1 from models where model_name = $2
"""
_FILL = """
    insert into accounts as a (id, balance) values ($1, $2)
    on conflict (id) do update set balance = excluded.balance
"""
SETTINGS = "reservations:\n  wait: 20\n  output_tokens: 8\n"


class Books:
    """The database behind a product: prices, one account, and what processes hold of it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._owner: UUID | None = None

    async def __aenter__(self) -> Self:
        dsn = EmbeddedPostgres(self._home).running_dsn()
        assert dsn is not None, "the embedded server does not run"
        self._connection = await asyncpg.connect(dsn)
        self._owner = await self.db.fetchval(
            "select user_id from api_keys where purpose = 'realtime' limit 1"
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.db.close()

    @property
    def db(self) -> "asyncpg.Connection[asyncpg.Record]":
        """The connection."""
        assert self._connection is not None
        return self._connection

    async def price(self, client: httpx.AsyncClient) -> None:
        """Give the model a price, and wait until every worker knows it."""
        await self.db.execute(_TARIFF, new_uuid(), MODEL)
        await self.fill(0)
        while await storm(client, 40) != {402: 40}:
            pass
        assert await self.balance() == 0

    async def fill(self, amount: int) -> None:
        """The account has so much."""
        await self.db.execute(_FILL, self._owner, Decimal(amount))

    async def balance(self) -> int:
        """What the account has."""
        return int(await self.db.fetchval("select balance from accounts where id = $1", self._owner))

    async def outstanding(self) -> int:
        """What processes hold of it."""
        return int(await self.db.fetchval("select coalesce(sum(outstanding), 0) from credit_leases"))

    async def settled(self) -> None:
        """Wait until nobody holds anything."""
        end = time.monotonic() + SETTLED_WITHIN
        while await self.outstanding():
            assert time.monotonic() < end, "credit is still held"
            await asyncio.sleep(0.05)

    async def charges(self) -> int:
        """Calls that were charged."""
        return int(await self.db.fetchval("select count(*) from ledger_entries where kind = 'usage'"))

    async def open_calls(self) -> int:
        """Calls without an end."""
        return int(await self.db.fetchval("select count(*) from requests where state < 3"))


@asynccontextmanager
async def caller(product: Product) -> AsyncIterator[httpx.AsyncClient]:
    """A client with many connections."""
    headers = {"authorization": f"Bearer {product.key}"}
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx.AsyncClient(
        base_url=product.base_url, headers=headers, timeout=60, limits=limits, trust_env=False
    ) as client:
        yield client


async def call(client: httpx.AsyncClient) -> int:
    """One call; its status, 0 when the connection broke."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "max_tokens": RESERVED}
    try:
        answer = await client.post("/chat/completions", json=body)
    except httpx.TransportError:
        return 0
    return answer.status_code


async def storm(client: httpx.AsyncClient, count: int) -> Counter[int]:
    """So many calls at once, by their statuses."""
    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(call(client)) for _ in range(count)]
    return Counter(task.result() for task in made)
