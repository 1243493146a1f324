"""SIGKILL at random while queued calls come with keys: asked again, each key has made one call and gives its answer."""

import random
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.chaos.test_batches import database_of
from tests.fakes.model import MODEL
from tests.fakes.upstream import upstream_in_thread
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]

KILLS = 4
KEYS = 60
SETTINGS = """
background_services:
  batch_daemon:
    adaptive:
      enabled: false
"""


def ask(product: Product, key: str) -> str | None:
    """The id of the response that a key gives; None when the process has died of it, or is not there yet."""
    headers = {"authorization": f"Bearer {product.key}", "idempotency-key": key}
    body = {"model": MODEL, "input": key, "background": True}
    try:
        answer = httpx.post(
            f"{product.base_url}/responses", json=body, headers=headers, trust_env=False, timeout=20
        )
    except httpx.TransportError:
        return None
    return str(answer.json()["id"]) if answer.status_code == 202 else None


async def test_each_key_makes_one_call_whoever_dies(data_dir: Path) -> None:
    chance = random.Random(7)
    settings = data_dir / "dwctl.yaml"
    settings.write_text(SETTINGS)
    given: dict[str, set[str]] = {}
    with upstream_in_thread() as upstream:
        product = Product(data_dir, upstream=upstream.url, arguments=("-f", str(settings)))
        product.start()
        try:
            for _ in range(KILLS):
                keys = [uuid.uuid4().hex for _ in range(KEYS)]
                with ThreadPoolExecutor(16) as threads:
                    timer = threading.Timer(chance.uniform(0.05, 0.8), product.kill)
                    timer.start()
                    first = list(threads.map(lambda key: (key, ask(product, key)), keys))
                    timer.join()
                product.start_again()
                with ThreadPoolExecutor(16) as threads:
                    again = list(threads.map(lambda key: (key, ask(product, key)), keys))
                for key, name in (*first, *again):
                    if name is not None:
                        given.setdefault(key, set()).add(name)
                assert all(name for _, name in again)
            assert len(given) == KILLS * KEYS
            assert all(len(names) == 1 for names in given.values())
            async with database_of(data_dir) as database:
                rows = await database.fetch_value(
                    "select count(*) from requests where path = '/v1/responses'"
                )
            assert rows == KILLS * KEYS
        finally:
            product.close()
