"""A conversation is summed up by its model, and goes on from the summary that its client carries."""

import base64
from typing import Any

import httpx
import openai
import pytest

from tests.contract.native import adapter
from tests.contract.test_queued import ended
from tests.fakes.answers import json_reply, server_error
from tests.fakes.model import MODEL
from tests.fakes.shapes import error
from tests.fakes.upstream import UpstreamThread

pytestmark = pytest.mark.xdist_group("contract")

TEXT = "Hello from the fake model."
INPUT: list[Any] = [
    {"role": "user", "content": "My name is Ada"},
    {"role": "assistant", "content": [{"type": "output_text", "text": "Hello Ada"}]},
    {"type": "function_call", "call_id": "c1", "name": "now", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "noon"},
    {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
]


def summed_up(client: openai.OpenAI, given: Any) -> dict[str, Any]:
    """The item that stands for a conversation."""
    (item,) = client.responses.compact(model=MODEL, input=given).output
    return item.model_dump(exclude_none=True)


def test_a_chat_model_sums_up(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    raw = client.responses.with_raw_response.compact(model=MODEL, input=INPUT, instructions="Be kind")
    made = raw.parse()
    assert made.object == "response.compaction"
    assert made.id == raw.headers["x-onwards-response-id"]
    assert made.created_at > 1_700_000_000
    (item,) = made.output
    assert item.type == "compaction"
    assert TEXT not in str(item)
    assert (made.usage.output_tokens, made.usage.total_tokens) == (5, made.usage.input_tokens + 5)
    asked = upstream.posts[0]
    assert asked.path == "/v1/chat/completions"
    system, user = asked.json()["messages"]
    assert "Be kind" in system["content"]
    for part in ("User: My name is Ada", "Assistant: Hello Ada", "now", "Result of c1: noon", "[an image]"):
        assert part in user["content"]


def test_a_native_model_sums_up(client: openai.OpenAI, admin: httpx.Client, upstream: UpstreamThread) -> None:
    with adapter(admin, on=False):
        made = client.responses.compact(model=MODEL, input="My name is Ada", prompt_cache_key="k")
    assert made.output[0].type == "compaction"
    asked = upstream.posts[0]
    assert (asked.path, asked.json()["prompt_cache_key"]) == ("/v1/responses", "k")


@pytest.mark.parametrize("how", [{}, {"stream": True}, {"background": True}, {"service_tier": "flex"}])
def test_the_conversation_goes_on(
    client: openai.OpenAI, upstream: UpstreamThread, how: dict[str, Any]
) -> None:
    item = summed_up(client, INPUT)
    question = {"role": "user", "content": "What is my name?"}
    given: Any = [item, question]
    raw = client.responses.with_raw_response.create(model=MODEL, input=given, **how)
    name = raw.headers["x-onwards-response-id"]
    if how.get("stream"):
        events: Any = raw.parse()
        with events as stream:
            list(stream)
    ended(client, name)
    opened, asked = upstream.posts[-1].json()["input"]
    assert (opened["type"], opened["role"]) == ("message", "user")
    assert opened["content"][0]["text"].endswith(TEXT)
    assert asked == question
    # The row keeps what the client said.
    kept = client.responses.input_items.list(name, order="asc").data[0].model_dump()
    assert kept["encrypted_content"] == item["encrypted_content"]


def test_a_summary_is_summed_up_again(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    given = [summed_up(client, INPUT), {"role": "user", "content": "And now?"}]
    summed_up(client, given)
    assert TEXT in upstream.posts[-1].json()["messages"][1]["content"]


def test_a_stored_conversation_is_summed_up(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    first = client.responses.create(model=MODEL, input="My name is Ada")
    second = client.responses.create(
        model=MODEL, input="What is my name?", extra_body={"previous_response_id": first.id}
    )
    client.responses.compact(model=MODEL, previous_response_id=second.id)
    text = upstream.posts[-1].json()["messages"][1]["content"]
    assert text.count(TEXT) == 2
    assert text.index("My name is Ada") < text.index("What is my name?")


def test_the_call_is_recorded_as_the_keys_own(
    client: openai.OpenAI, admin: httpx.Client, upstream: UpstreamThread
) -> None:
    made = client.responses.compact(model=MODEL, input=INPUT)
    assert client.responses.retrieve(made.id).output_text == TEXT
    row = admin.get(f"/admin/api/v1/requests/{made.id}").json()
    assert (row["status_code"], row["total_tokens"]) == (200, made.usage.total_tokens)


def tampered(content: str) -> str:
    sealed = bytearray(base64.urlsafe_b64decode(content.removeprefix("dwc1.")))
    sealed[-1] ^= 1
    return "dwc1." + base64.urlsafe_b64encode(sealed).decode()


@pytest.mark.parametrize("how", [{}, {"background": True}, {"service_tier": "flex"}])
def test_nobody_else_opens_it(
    client: openai.OpenAI, stranger: openai.OpenAI, upstream: UpstreamThread, how: dict[str, Any]
) -> None:
    item = summed_up(client, INPUT)
    changed = {"type": "compaction", "encrypted_content": tampered(item["encrypted_content"])}
    cut = {"type": "compaction", "encrypted_content": "dwc1.???"}
    count = len(upstream.posts)
    for who, given in (
        (stranger, item),
        (client, changed),
        (client, cut),
    ):
        body = {"model": MODEL, "input": ["x", given], **how}
        with pytest.raises(openai.BadRequestError) as caught:
            who.post("/responses", body=body, cast_to=object)
        assert (caught.value.param, caught.value.code) == ("input[1].encrypted_content", "invalid_value")
    assert len(upstream.posts) == count


def test_a_model_servers_own_item_goes_on_as_it_came(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    own = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAAB-of-theirs"}
    client.post("/responses", body={"model": MODEL, "input": [own]}, cast_to=object)
    assert upstream.posts[0].json()["input"] == [own]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"input": "x"}, "model", "missing_required_parameter"),
        ({"model": MODEL}, "input", "missing_required_parameter"),
        ({"model": MODEL, "input": []}, "input", "missing_required_parameter"),
        ({"model": MODEL, "input": 7}, "input", "invalid_type"),
        ({"model": MODEL, "input": "x", "instructions": []}, "instructions", "invalid_type"),
        (
            {"model": MODEL, "input": "x", "previous_response_id": "resp_nonsense"},
            "previous_response_id",
            "previous_response_not_found",
        ),
    ],
)
def test_what_cannot_be_summed_up(
    client: openai.OpenAI, upstream: UpstreamThread, body: dict[str, Any], param: str, code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/responses/compact", body=body, cast_to=object)
    assert (caught.value.param, caught.value.code) == (param, code)
    assert upstream.posts == []


def test_refusals_of_the_call_are_the_answer(
    client: openai.OpenAI, stranger: openai.OpenAI, upstream: UpstreamThread
) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.responses.compact(model="no-such-model", input="x")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-wrong").responses.compact(model=MODEL, input="x")
    name = client.responses.create(model=MODEL, input="x").id
    with pytest.raises(openai.BadRequestError) as theirs:
        stranger.responses.compact(model=MODEL, previous_response_id=name)
    assert theirs.value.code == "previous_response_not_found"
    upstream.push(json_reply(error("too long", code="context_length_exceeded"), status=400))
    with pytest.raises(openai.BadRequestError) as long:
        client.responses.compact(model=MODEL, input="x")
    assert long.value.code == "context_length_exceeded"
    upstream.push(server_error())
    with pytest.raises(openai.InternalServerError):
        client.responses.compact(model=MODEL, input="x")


def test_a_model_that_says_nothing(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    upstream.push(json_reply({"id": "x", "choices": [{"message": {"role": "assistant", "content": " "}}]}))
    with pytest.raises(openai.InternalServerError) as caught:
        client.responses.compact(model=MODEL, input="x")
    assert caught.value.status_code == 502


def test_a_large_conversation(client: openai.OpenAI) -> None:
    assert summed_up(client, [{"role": "user", "content": "word " * 800_000}])["type"] == "compaction"
