"""Whoever reads leaves room for whoever ends calls, and for what runs (`engine/responses/actions.py`)."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.chaos.test_batches import database_of
from tests.fakes.answers import HANG
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("contract")]

READERS = 40
"""More than there are connections to the database."""
ADAPTIVE = "DWCTL_BACKGROUND_SERVICES__BATCH_DAEMON__ADAPTIVE__ENABLED"


@pytest.fixture
def product(data_dir: Path, upstream: UpstreamThread) -> Iterator[Product]:
    """One that runs queued calls side by side from the beginning, whatever it knows of the model server."""
    running = Product(data_dir, upstream=upstream.url, environment={ADAPTIVE: "false"})
    running.start()
    yield running
    running.close()


async def test_readers_that_wait_for_the_database_hold_nothing_up(
    product: Product, upstream: UpstreamThread, async_client: openai.AsyncOpenAI
) -> None:
    run = async_client.responses.create
    read = await run(model=MODEL, input="x", background=True)
    await asyncio.to_thread(upstream.wait_until, lambda: len(upstream.posts) == 1, "the first is run")
    upstream.push(HANG)
    hanging = await run(model=MODEL, input="x", background=True)
    await asyncio.to_thread(upstream.wait_until, lambda: len(upstream.posts) == 2, "both are run")
    limits = httpx.Limits(max_connections=READERS)
    async with (
        httpx.AsyncClient(base_url=product.base_url, limits=limits, timeout=60, trust_env=False) as readers,
        database_of(product.data_dir) as database,
        asyncio.TaskGroup() as tasks,
    ):
        headers = {"authorization": f"Bearer {product.key}"}
        async with database.transaction() as connection:
            # Nobody can read a response: each reader would keep the connection that it has got.
            await connection.execute("lock table request_bodies in access exclusive mode")
            found = [
                tasks.create_task(readers.get(f"/responses/{read.id}", headers=headers))
                for _ in range(READERS)
            ]
            waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
            while not await database.fetch_value(waiting):
                pass
            # A call is accepted and run all the same.
            await run(model=MODEL, input="x", background=True)
            await asyncio.to_thread(upstream.wait_until, lambda: len(upstream.posts) == 3, "it is run")
        assert (await async_client.responses.cancel(hanging.id)).status == "cancelled"
    assert {answer.result().status_code for answer in found} == {200}
