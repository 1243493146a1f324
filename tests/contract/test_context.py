"""Calls that go on from earlier ones: `previous_response_id` (decision 0038)."""

from typing import Any

import httpx
import openai
import pytest

from tests.contract.test_queued import ended
from tests.fakes.answers import server_error
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")

TEXT = "Hello from the fake model."


def texts(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Role and text of each message, in order."""
    found = []
    for item in items:
        content = item["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        found.append((item["role"], text))
    return found


def test_the_model_server_gets_the_whole_chain(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    first = client.responses.create(model=MODEL, input="one", instructions="Be short.")
    second = client.responses.create(
        model=MODEL, input=[{"role": "user", "content": "two"}], previous_response_id=first.id
    )
    third = client.responses.create(model=MODEL, input="three", previous_response_id=second.id)
    assert third.output_text == TEXT
    assert (second.previous_response_id, third.previous_response_id) == (first.id, second.id)
    sent = upstream.posts[2].json()
    assert texts(sent["input"]) == [
        ("user", "one"), ("assistant", TEXT), ("user", "two"), ("assistant", TEXT), ("user", "three"),
    ]  # fmt: skip
    assert "previous_response_id" not in sent
    # Instructions are of one call.
    assert "instructions" not in sent
    stored = client.responses.retrieve(third.id)
    assert (stored.previous_response_id, stored.output_text) == (second.id, TEXT)
