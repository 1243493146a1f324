"""A key's budget that runs out under load, with several workers, and while they are killed."""

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Self

import httpx
import pytest

from tests.chaos.funds import COST, RESERVED, SETTLED_WITHIN, Books, caller, storm
from tests.chaos.test_credit import call_on, home, product_of
from tests.cli.command import dwctl
from tests.fakes.upstream import upstream_in_thread
from tests.server_process import Product

__all__ = ["home"]
pytestmark = pytest.mark.xdist_group("chaos")

CREDIT = 10_000_000
CALLS = 50
KILLS = 20
OWN = "/admin/api/v1/users/current"


class Office:
    """The administrator, who sets budgets over the admin API."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._client = httpx.AsyncClient(base_url=product.address, timeout=20, trust_env=False)

    async def __aenter__(self) -> Self:
        product = self._product
        answer = await self._client.post(
            "/authentication/login", json={"email": product.admin_email, "password": product.admin_password}
        )
        assert answer.status_code == 200, answer.text
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._client.aclose()

    async def key(self) -> dict[str, Any]:
        """The first key as it is shown."""
        (found,) = (await self._client.get(f"{OWN}/api-keys")).json()["data"]
        return dict(found)

    async def bind(self, amount: int | None) -> None:
        """Give the key a budget: the next call goes by it."""
        budget = None if amount is None else {"amount": str(amount), "period": "total"}
        path = f"{OWN}/api-keys/{(await self.key())['id']}"
        answer = await self._client.patch(path, json={"budget": budget})
        assert answer.status_code == 200, answer.text

    async def spent(self) -> int:
        """By the key, as it is shown."""
        return int((await self.key())["budget"]["spent"])


async def charged(books: Books, calls: int) -> None:
    """Wait until so many calls are in the ledger."""
    async with asyncio.timeout(SETTLED_WITHIN):
        while (found := await books.charges()) != calls:
            assert found < calls
            await asyncio.sleep(0.02)


async def storms(home: Path, workers: int, runs: int) -> None:
    """200 callers at once on a budget for 50 calls more, again and again: at most one reservation over."""
    with upstream_in_thread() as upstream:
        product = product_of(home, upstream.url, workers)
        product.start()
        try:
            async with Books(home) as books, caller(product) as client, Office(product) as office:
                await books.price(client)
                await books.fill(CREDIT)
                await office.bind(0)
                answered = 0
                for _ in range(runs):
                    budget = await office.spent() + CALLS * COST
                    await office.bind(budget)
                    ends = await storm(client, 200)
                    answered += ends[200]
                    await charged(books, answered)
                    spent = await office.spent()
                    assert set(ends) <= {200, 402}, ends
                    assert ends[200] >= CALLS - 1, ends
                    assert spent == budget + (ends[200] - CALLS) * COST
                    assert spent <= budget + RESERVED
                    # Lowered and taken away, it holds for the very next call of whatever worker.
                    await office.bind(spent)
                    assert await storm(client, 20) == {402: 20}
                    await office.bind(None)
                    assert await storm(client, 20) == {200: 20}
                    answered += 20
                    await charged(books, answered)
                    await office.bind(0)
        finally:
            product.close()


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 2])
async def test_many_callers_spend_the_budget_and_no_more(home: Path, workers: int) -> None:
    await storms(home, workers, 1)


@pytest.mark.long
async def test_many_callers_of_four_workers(home: Path) -> None:
    await storms(home, 4, 10)


@pytest.mark.long
async def test_killed_while_a_budget_runs_out(home: Path) -> None:
    """No kill lets a key spend more than its budget, and none loses any of it; what is counted is what was charged."""
    chance = Random(7)
    ends: Counter[int] = Counter()
    budget = 3000 * COST
    with upstream_in_thread() as upstream:
        product = product_of(home, upstream.url, 2)
        product.start()
        async with Books(home) as books, caller(product) as client, Office(product) as office:
            await books.price(client)
            await books.fill(CREDIT)
            await office.bind(budget)
        for _ in range(KILLS):
            async with caller(product) as client, asyncio.TaskGroup() as tasks:
                for _ in range(24):
                    tasks.create_task(call_on(client, ends))
                enough = ends.total() + chance.randrange(1, 150)
                while ends.total() < enough:
                    await asyncio.sleep(0.005)
                product.kill()
            product.start()
        try:
            async with Books(home) as books, caller(product) as client, Office(product) as office:
                while await office.spent() < budget:
                    for status, count in (await storm(client, 100)).items():
                        ends[status] += count
                await books.settled()
                spent = await office.spent()
                charged = await books.db.fetchval(
                    "select -sum(amount) from ledger_entries where kind = 'usage'"
                )
            checked = dwctl("doctor", "--ledger", "--data-dir", home, directory=home.parent)
        finally:
            product.close()
    assert spent == charged
    assert budget <= spent <= budget + RESERVED
    assert set(ends) <= {200, 402, 503}
    assert ends[200] * COST <= spent
    assert "its budget counts" not in checked.output
