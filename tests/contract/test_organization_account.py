"""An organization's key charges the organization: its credit and its budget bind, whoever of its members calls.

Organizations have no routes yet; their rows are made as those routes will make them, with spending counted.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import openai
import pytest

from dwctl.db.embedded import EmbeddedPostgres
from dwctl.identity.secrets import new_key
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("contract")

KEY = """
insert into api_keys (id, secret_hash, secret_prefix, name, purpose, user_id, created_by)
values ($1, $2, 'sk-org', 'org', 'realtime', $3, (select id from users where is_admin limit 1))
"""
ORGANIZATION = """
insert into users (id, username, email, user_type, budget_amount, budget_period)
values ($1, $2, 'org@example.org', 'organization', 12, 'month')
"""


@pytest.fixture
def product(open_directory: Path, shared_upstream: UpstreamThread) -> Iterator[Product]:
    """One of its own: its model has a price."""
    home = Path(tempfile.mkdtemp(dir=open_directory))
    home.chmod(0o755)
    running = Product(home, upstream=shared_upstream.url)
    running.start()
    yield running
    running.close()
    shutil.rmtree(home, ignore_errors=True)


def call(client: openai.OpenAI) -> str:
    """What became of a call of at most five words."""
    try:
        client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Say hello to me"}], max_tokens=5
        )
    except openai.APIStatusError as error:
        return str(error.code)
    return "answered"


@pytest.fixture
def priced(product: Product, admin: httpx.Client) -> Product:
    """A word of an answer costs one."""
    model = admin.get("/admin/api/v1/models").json()["data"][0]["id"]
    words = [{"name": "words", "input_price_per_token": "0", "output_price_per_token": "1"}]
    answer = admin.patch(f"/admin/api/v1/models/{model}", json={"tariffs": words})
    assert answer.status_code == 200, answer.text
    return product


async def test_its_members_spend_its_credit_up_to_its_budget(
    priced: Product, upstream: UpstreamThread
) -> None:
    organization, secret = uuid4(), new_key()
    connection = await asyncpg.connect(EmbeddedPostgres(priced.data_dir).dsn)
    try:
        await connection.execute(ORGANIZATION, organization, f"org-{organization}")
        await connection.execute(KEY, uuid4(), secret.digest, organization)
        client = openai.OpenAI(base_url=priced.base_url, api_key=secret.secret, max_retries=0, timeout=20)
        until(lambda: call(client) == "insufficient_credits", "the key is known, and its account is empty")
        await connection.execute(
            "insert into accounts (id, balance, counted) values ($1, 100, true)", organization
        )
        outcomes = [call(client) for _ in range(4)]
        # What is left is not refused: the third goes over, by no more than it had reserved.
        assert outcomes == ["answered", "answered", "answered", "budget_exceeded"]

        async def booked() -> tuple[int, set[UUID]]:
            rows = await connection.fetch(
                "select account_id, amount from ledger_entries where kind = 'usage'"
            )
            return int(sum(row["amount"] for row in rows)), {row["account_id"] for row in rows}

        while (await booked())[0] != -15:
            pass
        assert await booked() == (-15, {organization})
        client.close()
    finally:
        await connection.close()
