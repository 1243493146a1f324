"""SIGKILL at random under load with a priced model: every answered call has exactly one charge, and sums agree."""

import random
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest

from dwctl.db.embedded import EmbeddedPostgres
from tests.chaos.load import Calls, callers
from tests.chaos.rows import rows_of
from tests.chaos.test_kill import ADMIN, PASSWORD, make_key
from tests.cli.command import dwctl
from tests.fakes.upstream import upstream_in_thread
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]

KILLS = 50
PRICE = {"name": "standard", "input_price_per_token": "0.000001", "output_price_per_token": "0.000003"}


def set_price(address: str) -> None:
    """Price every model, and grant the administrator enough for all that follows."""
    with httpx.Client(base_url=address, timeout=20) as client:
        signed_in = client.post("/authentication/login", json={"email": ADMIN, "password": PASSWORD})
        assert signed_in.status_code == 200, signed_in.text
        user_id = client.get("/admin/api/v1/users/current").json()["id"]
        for model in client.get("/admin/api/v1/models").json()["data"]:
            path = f"/admin/api/v1/models/{model['id']}"
            priced = client.patch(path, json={"tariffs": [PRICE]})
            assert priced.status_code == 200, priced.text
        grant = {
            "user_id": user_id,
            "transaction_type": "admin_grant",
            "amount": "1000000",
            "source_id": "chaos",
        }
        assert client.post("/admin/api/v1/transactions", json=grant).status_code == 201


async def charges_of(home: Path) -> list[asyncpg.Record]:
    """Every charge."""
    dsn = EmbeddedPostgres(home).running_dsn()
    assert dsn is not None
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch("select request_id, amount from ledger_entries where kind = 'usage'")
    finally:
        await connection.close()


async def test_killed_again_and_again_each_answered_call_is_charged_once(data_dir: Path) -> None:
    chance = random.Random(28)
    calls = Calls()
    settings = data_dir / "dwctl.yaml"
    settings.write_text(f"admin_email: {ADMIN}\nadmin_password: {PASSWORD}\n")
    with upstream_in_thread() as upstream:
        product = Product(data_dir, upstream=upstream.url, arguments=("-f", str(settings)))
        product.start_again()
        key = make_key(product.address)
        set_price(product.address)
        for _ in range(KILLS):
            with callers(calls, product.base_url, key):
                calls.wait_for(len(calls.answered) + chance.randrange(1, 600))
                product.kill()
            product.start_again()
        try:
            rows = await rows_of(data_dir)
            charges = await charges_of(data_dir)
            checked = dwctl("doctor", "--ledger", "--data-dir", data_dir, directory=data_dir.parent)
        finally:
            product.close()
    charged = {charge["request_id"] for charge in charges}
    assert len(charged) == len(charges), "a call was charged twice"
    answered = {UUID(name.removeprefix("resp_")) for name in calls.answered.values()}
    assert answered <= charged, f"{len(answered - charged)} answered calls were not charged"
    assert charged <= {row["id"] for row in rows}
    assert "FAIL  ledger" not in checked.output
    assert "ok    ledger: rows cost " in checked.output
