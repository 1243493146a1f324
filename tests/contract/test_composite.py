"""A composite model from the admin API to the official client: the second server answers when the first one fails."""

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.fakes.answers import frames, server_error, stream_reply
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.upstream import UpstreamThread, upstream_in_thread

pytestmark = pytest.mark.xdist_group("contract")

API = "/admin/api/v1"
EVERYONE = "00000000-0000-0000-0000-000000000000"
BACKUP = "backup-model"


def ask(admin: httpx.Client, method: str, path: str, body: Any = None) -> Any:
    """The JSON of a successful answer."""
    answer = admin.request(method, API + path, json=body)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


@pytest.fixture
def second() -> Iterator[UpstreamThread]:
    """Another model server, with a model of another name."""
    with upstream_in_thread(ModelServer(models=(BACKUP,), text="From the second.")) as running:
        yield running


@pytest.fixture
def pool(admin: httpx.Client, upstream: UpstreamThread, second: UpstreamThread) -> Iterator[str]:
    """The id of `pool`: the product's model server first, then the second one, which nobody may call by itself."""
    wanted = {"name": "second", "url": second.url, "skip_fetch": True, "model_filter": [BACKUP]}
    endpoint = ask(admin, "POST", "/endpoints", wanted)["id"]
    models = {model["alias"]: model["id"] for model in ask(admin, "GET", "/models")["data"]}
    wanted = {"type": "composite", "model_name": "pool", "lb_strategy": "priority"}
    made: str = ask(admin, "POST", "/models", wanted)["id"]
    ask(admin, "POST", f"/groups/{EVERYONE}/models/{made}")
    for name in (MODEL, BACKUP):
        ask(admin, "POST", f"/models/{made}/components/{models[name]}", {})
    yield made
    ask(admin, "DELETE", f"/models/{made}")
    ask(admin, "DELETE", f"/endpoints/{endpoint}")


def said(client: openai.OpenAI, model: str = "pool") -> str | None:
    """What a model says."""
    messages: Any = [{"role": "user", "content": "Say hello."}]
    return client.chat.completions.create(model=model, messages=messages).choices[0].message.content


def test_the_second_server_answers_when_the_first_one_fails(
    client: openai.OpenAI, admin: httpx.Client, upstream: UpstreamThread, second: UpstreamThread, pool: str
) -> None:
    assert said(client) == "Hello from the fake model."
    upstream.push(server_error(503))
    assert said(client) == "From the second."
    upstream.push(stream_reply(frames([{"error": {"message": "full", "code": 503}}])))
    messages: Any = [{"role": "user", "content": "Say hello."}]
    with client.chat.completions.create(model="pool", messages=messages, stream=True) as stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == "From the second."
    with pytest.raises(openai.PermissionDeniedError):
        said(client, BACKUP)


def test_changes_count_at_once(
    client: openai.OpenAI, admin: httpx.Client, upstream: UpstreamThread, second: UpstreamThread, pool: str
) -> None:
    parts = {
        part["model"]["alias"]: part["model"]["id"]
        for part in ask(admin, "GET", f"/models/{pool}/components")
    }
    ask(admin, "PATCH", f"/models/{pool}/components/{parts[BACKUP]}", {"sort_order": -1})
    assert said(client) == "From the second."
    ask(admin, "PATCH", f"/models/{parts[BACKUP]}", {"response_headers": {"x-price": "1"}})
    messages: Any = [{"role": "user", "content": "Say hello."}]
    raw = client.chat.completions.with_raw_response.create(model="pool", messages=messages)
    assert raw.headers["x-price"] == "1"
    ask(admin, "DELETE", f"/models/{parts[BACKUP]}")
    assert said(client) == "Hello from the fake model."
    ask(admin, "DELETE", f"/models/{pool}/components/{parts[MODEL]}")
    with pytest.raises(openai.InternalServerError) as refused:
        said(client)
    assert refused.value.status_code == 503
