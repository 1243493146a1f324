"""SIGKILL at any moment: it starts again, no answered call is without its row, and none has two."""

import os
import random
import re
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest

from dwctl.requests.record import State
from tests.chaos.load import Calls, callers
from tests.chaos.rows import rows_of
from tests.fakes.upstream import UpstreamThread, upstream_in_thread
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]

KILLS = 20
ADMIN = "root@example.com"
PASSWORD = "a long enough password"
_NONCE = re.compile(rb'"content": ?"([0-9a-f]{32})"')


@pytest.fixture
def home(open_directory: Path) -> Iterator[Path]:
    """A data directory for one test."""
    made = Path(tempfile.mkdtemp(dir=open_directory))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def compare(rows: list[asyncpg.Record], calls: Calls, upstream: UpstreamThread) -> None:
    """The three accounts of the same calls: the callers', the upstream's and ours."""
    by_id = {row["id"]: row for row in rows}
    assert len(by_id) == len(rows), "a call has two rows"
    nonces = Counter(found[1].decode() for row in rows if (found := _NONCE.search(row["request"] or b"")))
    assert set(nonces.values()) == {1}, "a call was recorded under two ids"
    assert set(nonces) <= calls.sent
    for nonce, name in calls.answered.items():
        row = by_id.get(UUID(name.removeprefix("resp_")))
        assert row is not None, f"{name} was answered and has no row"
        assert (row["state"], row["status_code"]) == (State.COMPLETED, 200), name
        assert nonce.encode() in row["request"]
    seen = Counter(found[1].decode() for post in upstream.posts if (found := _NONCE.search(post.body)))
    assert set(seen.values()) == {1}, "the upstream was asked twice for one call"
    lost = set(seen) - set(nonces)
    assert not lost, f"{len(lost)} calls reached the upstream and have no row"


async def fetch_last(product: Product, calls: Calls) -> None:
    """What was answered last before the kill is there for the first request after it."""
    headers = {"authorization": f"Bearer {product.key}"}
    async with httpx.AsyncClient(base_url=product.base_url, headers=headers, timeout=20) as client:
        name = list(calls.answered.values())[-1]
        for _ in range(10):
            answer = await client.get(f"/responses/{name}")
            if answer.status_code != 503:
                break
    assert (answer.status_code, answer.json()["status"]) == (200, "completed"), answer.text


async def test_killed_under_load_again_and_again(home: Path) -> None:
    chance = random.Random(20)
    calls = Calls()
    with upstream_in_thread() as upstream:
        product = Product(home, upstream=upstream.url)
        for _ in range(KILLS):
            product.start()
            with callers(calls, product.base_url, product.key):
                calls.wait_for(len(calls.answered) + chance.randrange(1, 1500))
                product.kill()
        product.start()
        try:
            await fetch_last(product, calls)
            compare(await rows_of(home), calls, upstream)
        finally:
            product.close()
    assert len(calls.answered) > KILLS


async def test_postgresql_is_killed_under_load(home: Path) -> None:
    calls = Calls()
    with upstream_in_thread() as upstream:
        product = Product(home, upstream=upstream.url)
        for _ in range(5):
            product.start()
            with callers(calls, product.base_url, product.key):
                calls.wait_for(len(calls.answered) + 200)
                os.kill(int((home / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
                assert product.wait_for_end() == 1
        product.start()
        try:
            compare(await rows_of(home), calls, upstream)
        finally:
            product.close()


async def test_killed_while_it_starts_for_the_first_time(home: Path) -> None:
    chance = random.Random(7)
    settings = home / "dwctl.yaml"
    settings.write_text(f"admin_email: {ADMIN}\nadmin_password: {PASSWORD}\n")
    with upstream_in_thread() as upstream:
        product = Product(home, upstream=upstream.url, arguments=("-f", str(settings)))
        for _ in range(KILLS):
            product.kill_while_starting(after=chance.uniform(0.05, 1.5))
        product.start_again()
        calls = Calls()
        key = make_key(product.address)
        with callers(calls, product.base_url, key):
            calls.wait_for(10)
            product.kill()
        product.start_again()
        try:
            compare(await rows_of(home), calls, upstream)
        finally:
            product.close()


def make_key(address: str) -> str:
    """A key of the administrator's, as the dashboard makes it."""
    with httpx.Client(base_url=address, timeout=20) as client:
        signed_in = client.post("/authentication/login", json={"email": ADMIN, "password": PASSWORD})
        assert signed_in.status_code == 200, signed_in.text
        made = client.post(
            "/admin/api/v1/users/current/api-keys", json={"name": "chaos", "purpose": "realtime"}
        )
        assert made.status_code == 201, made.text
        return str(made.json()["key"])
