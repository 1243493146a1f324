"""An organization's key charges the organization: its credit and its budget bind, whoever of its members calls."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("contract")


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


def test_its_members_spend_its_credit_up_to_its_budget(
    priced: Product, admin: httpx.Client, upstream: UpstreamThread
) -> None:
    wanted = {"name": "acme", "email": "office@example.org"}
    made = admin.post("/admin/api/v1/organizations", json=wanted)
    assert made.status_code == 201, made.text
    place = f"/admin/api/v1/organizations/{made.json()['id']}"
    keys = f"/admin/api/v1/users/{made.json()['id']}/api-keys"
    key = admin.post(keys, json={"name": "calls"}).json()
    client = openai.OpenAI(base_url=priced.base_url, api_key=key["key"], max_retries=0, timeout=20)
    assert call(client) == "insufficient_credits"
    grant = {
        "user_id": made.json()["id"],
        "transaction_type": "admin_grant",
        "amount": "100",
        "source_id": "first",
    }
    assert admin.post("/admin/api/v1/transactions", json=grant).status_code == 201
    budget = {"budget": {"amount": "12", "period": "month"}}
    assert admin.patch(place, json=budget).status_code == 200
    outcomes = [call(client) for _ in range(4)]
    # What is left is not refused: the third goes over, by no more than it had reserved.
    assert outcomes == ["answered", "answered", "answered", "budget_exceeded"]

    def booked() -> bool:
        shown = admin.get(place).json()
        return (shown["exact_credit_balance"], shown["budget"]["spent"]) == ("85", "15")

    until(booked, "the organization has been charged")
    admin.delete(f"{keys}/{key['id']}")
    assert call(client) == "invalid_api_key"
    client.close()
