"""Limits from the admin API to what the official client raises."""

from collections.abc import Iterator

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.fakes.model import MODEL
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello to me"}]


@pytest.fixture
def model(admin: httpx.Client) -> Iterator[str]:
    """The path of the model in the admin API; without limits in the end."""
    (found,) = (
        each for each in admin.get("/admin/api/v1/models").json()["data"] if each["model_name"] == MODEL
    )
    path = f"/admin/api/v1/models/{found['id']}"
    yield path
    answer = admin.patch(path, json={"requests_per_minute": None, "capacity": None})
    assert answer.status_code == 200


def limited_key(admin: httpx.Client, name: str, **limits: float) -> str:
    """The secret of a new key."""
    answer = admin.post("/admin/api/v1/users/current/api-keys", json={"name": name, **limits})
    assert answer.status_code == 201, answer.text
    secret: str = answer.json()["key"]
    return secret


def test_the_limit_of_a_key(product: Product, client: openai.OpenAI, admin: httpx.Client) -> None:
    secret = limited_key(admin, "slow", requests_per_second=0.02, burst_size=2)
    slow = client.with_options(api_key=secret)
    answers = [slow.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES) for _ in "ab"]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["1", "0"]
    with pytest.raises(openai.RateLimitError) as caught:
        slow.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert (caught.value.code, caught.value.type) == ("rate_limit", "rate_limit_error")
    assert 40 <= int(caught.value.response.headers["retry-after"]) <= 50
    free = client.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES)
    assert "ratelimit" not in free.headers
    metrics = httpx.get(f"{product.address}/internal/metrics", trust_env=False).text
    assert 'dwctl_limits_refused_total{kind="requests_per_second",scope="key"} 1.0' in metrics


def test_the_limit_of_a_model_counts_from_the_next_call_and_survives_other_changes(
    client: openai.OpenAI, admin: httpx.Client, model: str
) -> None:
    assert admin.patch(model, json={"requests_per_minute": 2}).status_code == 200
    for _ in range(2):
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
    # Another change of the same model reloads it and refills nothing.
    assert admin.patch(model, json={"capacity": 50}).status_code == 200
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert admin.patch(model, json={"requests_per_minute": None}).status_code == 200
    client.chat.completions.create(model=MODEL, messages=MESSAGES)
