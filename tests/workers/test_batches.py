"""Queued work in several processes behind one port: shared, ended in order, and taken up again."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from dwctl.requests.record import State
from tests.chaos.test_batches import database_of, respond
from tests.chaos.test_kill import ADMIN, PASSWORD
from tests.engine.works import Works
from tests.fakes.model import MODEL
from tests.fakes.upstream import upstream_in_thread
from tests.gateway.house import model, target
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("workers")]

LINES = 300


def daemons(product: Product) -> list[dict[str, Any]]:
    """As an administrator sees them."""
    with httpx.Client(base_url=product.address, timeout=20) as client:
        signed_in = client.post("/authentication/login", json={"email": ADMIN, "password": PASSWORD})
        assert signed_in.status_code == 200, signed_in.text
        found: list[dict[str, Any]] = client.get("/ai/v1/daemons").json()["daemons"]
        return found


async def test_work_is_shared_and_survives_an_end_in_order(data_dir: Path) -> None:
    settings = data_dir / "dwctl.yaml"
    settings.write_text(f"admin_email: {ADMIN}\nadmin_password: {PASSWORD}\n")
    with upstream_in_thread(respond) as upstream:
        product = Product(data_dir, upstream=upstream.url, arguments=("-f", str(settings), "--workers", "2"))
        product.start_again()
        try:
            async with database_of(data_dir) as database:
                works = Works(database, model(MODEL, target(upstream.url)))
                account = await works.account()
                batch_id = await works.batch(account, LINES)
                await works.until(lambda: len(upstream.posts) > 40, "some lines have run")
            assert [each["status"] for each in await asyncio.to_thread(daemons, product)] == ["running"] * 2
            product.stop()
            product.start_again()
            async with database_of(data_dir) as database:
                works.database = database
                row = await works.ended(batch_id)
                rows = await works.requests(batch_id)
                ran_by = Counter(each["daemon_id"] for each in rows)
                held = await database.fetch_value("select count(*) from attempts")
            statuses = Counter(each["status"] for each in await asyncio.to_thread(daemons, product))
        finally:
            product.close()
    assert row["completed"] == LINES
    assert {(each["state"], each["attempt"]) for each in rows} == {(State.COMPLETED, 1)}
    assert len(upstream.posts) == LINES
    assert held == 0
    assert len(ran_by) >= 2
    assert statuses == {"running": 2, "dead": 2}
