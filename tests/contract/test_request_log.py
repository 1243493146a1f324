"""A call that was just made: asked for by its id at once, in the list moments later, and the page beside it."""

from typing import Any

import httpx
import openai
import pytest

from tests.fakes.model import MODEL
from tests.server_process import Product
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("contract")
LIST = "/admin/api/v1/requests"


def test_a_streamed_call_with_its_bodies(client: openai.OpenAI, admin: httpx.Client) -> None:
    with client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Say hello to me"}], stream=True
    ) as stream:
        name = next(stream).id
        for _ in stream:
            pass
    detail = admin.get(f"{LIST}/{name}").json()
    assert (detail["status"], detail["status_code"], detail["streamed"]) == ("completed", 200, True)
    assert "Say hello to me" in detail["request_body"]
    assert detail["response_body"].startswith("data: ")
    (item,) = detail["response"]["output"]
    assert item["content"][0]["text"] == "Hello from the fake model."
    until(lambda: newest(admin)["id"] == name, "the call is in the list")
    entry = newest(admin)
    assert (entry["model"], entry["uri"]) == (MODEL, "/ai/v1/chat/completions")
    assert (entry["prompt_tokens"], entry["completion_tokens"], entry["total_tokens"]) == (4, 5, 9)
    assert 0 < entry["duration_to_first_byte_ms"] <= entry["duration_ms"]
    assert (entry["key_name"] is not None, entry["endpoint_name"] is not None) == (True, True)


def newest(admin: httpx.Client) -> dict[str, Any]:
    """The first entry of the list."""
    answer = admin.get(LIST, params={"limit": 1})
    assert answer.status_code == 200, answer.text
    entry: dict[str, Any] = answer.json()["entries"][0]
    return entry


def test_something_stands_at_the_root(product: Product) -> None:
    """The dashboard, or how to get one: which of them depends on what was built here."""
    with httpx.Client(base_url=product.address, trust_env=False) as browser:
        page = browser.get("/", headers={"accept": "text/html"})
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert browser.get("/admin/api/v1/nothing").json()["error"]["code"] == "unknown_url"
