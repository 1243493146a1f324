"""Credit that runs out under load, with several workers, and while they are killed."""

import asyncio
from collections import Counter
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.chaos.funds import COST, RESERVED, SETTINGS, Books, call, caller, storm
from tests.fakes.upstream import upstream_in_thread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("chaos")

CALLS = 50
KILLS = 20


@pytest.fixture
def home(data_dir: Path) -> Path:
    """A data directory with the settings of these tests."""
    (data_dir / "credit.yaml").write_text(SETTINGS)
    return data_dir


def product_of(home: Path, url: str, workers: int) -> Product:
    """A product with so many workers."""
    arguments = ("-f", str(home / "credit.yaml"), "--workers", str(workers))
    return Product(home, upstream=url, arguments=arguments)


async def storms(home: Path, workers: int, runs: int) -> None:
    """200 callers at once on a balance for 50 calls: at most one reservation over, at least 49 go on."""
    with upstream_in_thread() as upstream:
        product = product_of(home, upstream.url, workers)
        product.start()
        try:
            async with Books(home) as books, caller(product) as client:
                await books.price(client)
                for _ in range(runs):
                    await books.fill(CALLS * COST)
                    ends = await storm(client, 200)
                    await books.settled()
                    left = await books.balance()
                    assert set(ends) <= {200, 402}, ends
                    assert ends[200] >= CALLS - 1, ends
                    assert left == (CALLS - ends[200]) * COST
                    assert left >= -RESERVED
        finally:
            product.close()


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 2])
async def test_many_callers_spend_what_is_there_and_no_more(home: Path, workers: int) -> None:
    await storms(home, workers, 2)


@pytest.mark.long
async def test_many_callers_of_four_workers(home: Path) -> None:
    await storms(home, 4, 20)


@pytest.mark.soak
@pytest.mark.parametrize(("workers", "runs"), [(1, 60), (2, 70), (4, 70)])
async def test_many_callers_again_and_again(home: Path, workers: int, runs: int) -> None:
    await storms(home, workers, runs)


async def call_on(client: httpx.AsyncClient, ends: Counter[int]) -> None:
    """One call after another until the product is gone."""
    while status := await call(client):
        ends[status] += 1


@pytest.mark.long
async def test_killed_while_credit_runs_out(home: Path) -> None:
    """No kill lets anybody spend more than there is, and none loses credit: in the end all of it has been spent."""
    chance = Random(5)
    ends: Counter[int] = Counter()
    credit = 3000 * COST
    with upstream_in_thread() as upstream:
        product = product_of(home, upstream.url, 2)
        product.start()
        async with Books(home) as books, caller(product) as client:
            await books.price(client)
            await books.fill(credit)
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
            async with Books(home) as books, caller(product) as client:
                while await books.balance() > 0:
                    for status, count in (await storm(client, 100)).items():
                        ends[status] += count
                await books.settled()
                left = await books.balance()
                assert await books.open_calls() == 0
                spent = await books.db.fetchval(
                    "select -sum(amount) from ledger_entries where kind = 'usage'"
                )
        finally:
            product.close()
    assert spent == credit - left
    assert -RESERVED <= left <= 0
    assert set(ends) <= {200, 402, 503}
    assert ends[200] * COST <= spent
