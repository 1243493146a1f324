"""Streams of background calls: shown as they come, read again and resumed (spec/wire-api §1.6, §2.6)."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.fakes.answers import json_reply
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")

TEXT = "Hello from the fake model."
WORDS = len(TEXT.split())


def body(**more: Any) -> dict[str, Any]:
    """A call in the background that streams."""
    return {"model": MODEL, "input": "Say hello to me", "background": True, "stream": True, **more}


def events_of(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The data of each event, `[DONE]` as an empty one."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            text = line.removeprefix("data: ")
            found = {} if text == "[DONE]" else json.loads(text)
            assert found.get("type", "") == name
            name = ""
            yield found


@pytest.fixture
def http(product: Product) -> Iterator[httpx.Client]:
    """A plain client with the key."""
    with httpx.Client(
        base_url=product.base_url,
        headers={"Authorization": f"Bearer {product.key}"},
        timeout=20,
        trust_env=False,
    ) as made:
        yield made


def created(http: httpx.Client, **more: Any) -> list[dict[str, Any]]:
    """All events of a new call, read to the end."""
    with http.stream("POST", "/responses", json=body(**more)) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        return list(events_of(answer.iter_lines()))


def resumed(http: httpx.Client, name: str, after: int | None = None) -> list[dict[str, Any]]:
    """The events of a response behind a number."""
    query: dict[str, Any] = (
        {"stream": "true"} if after is None else {"stream": "true", "starting_after": after}
    )
    with http.stream("GET", f"/responses/{name}", params=query) as answer:
        assert answer.status_code == 200, answer.read()
        return list(events_of(answer.iter_lines()))


def test_events_are_ours_in_order_and_end(http: httpx.Client, upstream: UpstreamThread) -> None:
    found = created(http)
    assert found[-1] == {}
    shown = found[:-1]
    assert [event["sequence_number"] for event in shown] == list(range(len(shown)))
    kinds = [event["type"] for event in shown]
    assert kinds[:3] == ["response.created", "response.queued", "response.in_progress"]
    assert kinds.count("response.output_text.delta") == WORDS
    assert kinds[-1] == "response.completed"
    name = shown[0]["response"]["id"]
    assert {event["response"]["id"] for event in shown if "response" in event} == {name}
    assert [event["response"]["status"] for event in shown if "response" in event] == [
        "queued", "queued", "in_progress", "completed",
    ]  # fmt: skip
    assert "".join(event["delta"] for event in shown if event["type"] == "response.output_text.delta") == TEXT
    assert shown[-1]["response"] == http.get(f"/responses/{name}").json()
    sent = upstream.posts[0].json()
    assert sent["stream"] is True
    assert "background" not in sent


def test_every_cut_is_resumed_without_a_gap(http: httpx.Client, upstream: UpstreamThread) -> None:
    upstream.forget(ModelServer(chunk_gap=0.02))
    whole = created(http)
    name = whole[0]["response"]["id"]
    assert resumed(http, name) == whole
    for after in range(len(whole) + 1):
        assert resumed(http, name, after) == (whole[after + 1 :] or [{}])


def test_a_whole_answer_becomes_events(http: httpx.Client, upstream: UpstreamThread) -> None:
    call = {
        "id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c", "name": "f", "arguments": "{}",
    }  # fmt: skip
    message = {
        "id": "msg_1",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}],
    }
    upstream.push(
        json_reply({"id": "x", "object": "response", "status": "completed", "output": [message, call]})
    )
    shown = created(http)
    assert [event.get("type", "").removeprefix("response.") for event in shown] == [
        "created", "queued", "in_progress",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done",
        "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "completed", "",
    ]  # fmt: skip
    assert [event["sequence_number"] for event in shown[:-1]] == list(range(14))
    assert shown[8]["item"] == message
    assert resumed(http, shown[0]["response"]["id"]) == shown


def test_the_official_client_creates_and_resumes(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    upstream.forget(ModelServer(chunk_gap=0.02))
    first: list[Any] = []
    with client.responses.create(model=MODEL, input="Say hello", background=True, stream=True) as stream:
        for event in stream:
            first.append(event)
            if event.type == "response.output_text.delta":
                break
    name, cursor = first[0].response.id, first[-1].sequence_number
    with client.responses.retrieve(name, stream=True, starting_after=cursor) as again:
        rest: list[Any] = list(again)
    numbers = [event.sequence_number for event in (*first, *rest)]
    assert numbers == list(range(len(numbers)))
    assert (rest[-1].type, rest[-1].response.output_text) == ("response.completed", TEXT)
    assert client.responses.retrieve(name).output_text == TEXT


def test_flex_streams_its_answer_at_the_end(client: openai.OpenAI, http: httpx.Client) -> None:
    stream = client.responses.create(model=MODEL, input="x", service_tier="flex", stream=True)
    events: list[Any] = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[-1].type, events[-1].response.service_tier) == ("response.completed", "flex")
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT
    refused = http.get(f"/responses/{events[0].response.id}", params={"stream": "true"})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "stream"


@pytest.mark.parametrize("usage", [True, False])
def test_flex_streams_a_chat(client: openai.OpenAI, *, usage: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "x"}],
            service_tier="flex",
            stream=True,
            **options,
        )
    )
    said = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in said) == TEXT
    assert said[-1].finish_reason == "stop"
    assert (chunks[-1].usage is not None) == usage
    assert len({chunk.id for chunk in chunks}) == 1
    assert client.responses.retrieve(chunks[0].id).output_text == TEXT


def test_flex_in_the_background_is_shown_as_it_comes(http: httpx.Client) -> None:
    shown = created(http, service_tier="flex")
    assert shown[-2]["response"]["service_tier"] == "flex"
    assert resumed(http, shown[0]["response"]["id"], 3) == shown[4:]


@pytest.mark.parametrize(
    ("query", "param"), [("stream=maybe", "stream"), ("stream=true&starting_after=-1", "starting_after")]
)
def test_what_cannot_be_read_is_told(http: httpx.Client, query: str, param: str) -> None:
    name = created(http)[0]["response"]["id"]
    answer = http.get(f"/responses/{name}?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
