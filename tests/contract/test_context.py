"""Calls that go on from earlier ones: `previous_response_id` (decision 0038)."""

import base64
import os
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import msgspec
import openai
import pytest

from tests.contract.test_queued import ended
from tests.fakes.answers import Answer, Hang, frames, server_error, stream_reply
from tests.fakes.model import MODEL
from tests.fakes.shapes import response_events
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product
from tests.waiting import until

pytestmark = [pytest.mark.xdist_group("contract"), pytest.mark.usefixtures("native_responses")]

TEXT = "Hello from the fake model."
PREVIOUS = "previous_response_id"
LINE = (
    b'{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"model":"%b","input":"x"}}'
    % MODEL.encode()
)


def hanging() -> Answer:
    """A stream that begins and does not end."""
    whole = stream_reply(frames(response_events(MODEL, ["Hel", "lo"]), named=True))
    return Answer((*whole.steps[:3], Hang()))


def data_url(kind: str, content: bytes) -> str:
    """As a model server gets a file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def texts(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Role and text of each message, in order."""
    found = []
    for item in items:
        content = item["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        found.append((item["role"], text))
    return found


def other_key(admin: httpx.Client) -> str:
    """A key of an account that has nothing to do with the first one."""
    name = f"other-{uuid.uuid4().hex[:8]}"
    person = {"username": name, "email": f"{name}@example.org", "roles": []}
    made = admin.post("/admin/api/v1/users", json=person)
    assert made.status_code == 201, made.text
    key = admin.post(f"/admin/api/v1/users/{made.json()['id']}/api-keys", json={"name": "theirs"})
    assert key.status_code == 201, key.text
    secret: str = key.json()["key"]
    return secret


def refused(call: Callable[[], object], code: str, param: str | None = PREVIOUS) -> str:
    """The message of a 400."""
    with pytest.raises(openai.BadRequestError) as caught:
        call()
    assert (caught.value.code, caught.value.param) == (code, param), caught.value
    return str(caught.value)


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
    assert PREVIOUS not in sent
    # Instructions are of one call.
    assert "instructions" not in sent
    stored = client.responses.retrieve(third.id)
    assert (stored.previous_response_id, stored.output_text) == (second.id, TEXT)


def test_a_plain_call_goes_on_as_its_bytes_came(
    client: openai.OpenAI, product: Product, upstream: UpstreamThread
) -> None:
    body = b'{ "model":"%b",  "input":"a \\"file_id\\" here", "previous_response_id": null }' % MODEL.encode()
    headers = {"Authorization": f"Bearer {product.key}", "Content-Type": "application/json"}
    answer = httpx.post(f"{product.base_url}/responses", content=body, headers=headers, trust_env=False)
    assert answer.status_code == 200, answer.text
    assert upstream.posts[0].body == body


def test_streams_go_on_and_are_gone_on_from(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    with client.responses.create(model=MODEL, input="one", stream=True) as stream:
        shown = [event.response for event in stream if hasattr(event, "response")]
    first = shown[-1].id
    with client.responses.create(model=MODEL, input="two", stream=True, previous_response_id=first) as stream:
        shown = [event.response for event in stream if hasattr(event, "response")]
    assert len(shown) >= 2
    assert {response.previous_response_id for response in shown} == {first}
    assert len({response.id for response in shown}) == 1
    assert texts(upstream.posts[1].json()["input"]) == [("user", "one"), ("assistant", TEXT), ("user", "two")]
    assert client.responses.retrieve(shown[0].id).previous_response_id == first


def test_a_chat_is_gone_on_from(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    chat = client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": [{"type": "text", "text": "one"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "42"},
        ],
    )
    client.responses.create(model=MODEL, input="two", previous_response_id=chat.id)
    sent = upstream.posts[1].json()["input"]
    assert texts([sent[0], sent[1]]) == [("system", "Be short."), ("user", "one")]
    assert sent[2] == {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    assert sent[3] == {"type": "function_call_output", "call_id": "call_1", "output": "42"}
    assert texts(sent[4:]) == [("assistant", TEXT), ("user", "two")]


@pytest.mark.parametrize("background", [False, True])
def test_an_output_needs_its_call(client: openai.OpenAI, upstream: UpstreamThread, background: bool) -> None:
    call: Any = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    output: Any = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
    stray = output | {"call_id": "call_2"}
    first = client.responses.create(model=MODEL, input=[{"role": "user", "content": "x"}, call, output])
    go_on = partial(
        client.responses.create, model=MODEL, previous_response_id=first.id, background=background
    )
    said = refused(partial(go_on, input=[stray]), "invalid_value", "input")
    assert "'call_2'" in said
    assert len(upstream.posts) == 1
    # Also an answer that has been given before, and one to a call that comes along.
    for given in ([output], [call | {"call_id": "call_2"}, stray]):
        assert ended(client, go_on(input=given).id).status == "completed"
    talk = client.conversations.create()
    in_it = partial(client.responses.create, model=MODEL, conversation=talk.id, background=background)
    refused(partial(in_it, input=[output]), "invalid_value", "input")
    assert client.conversations.items.list(talk.id).data == []
    assert ended(client, in_it(input=[call, output]).id).status == "completed"
    # Nobody looks at what goes on from nothing: its model server does.
    assert client.responses.create(model=MODEL, input=[stray]).status == "completed"


def test_queued_calls_go_on_too(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    first = client.responses.create(model=MODEL, input="one")
    background = client.responses.create(
        model=MODEL, input="two", background=True, previous_response_id=first.id
    )
    assert background.previous_response_id == first.id
    done = ended(client, background.id)
    assert (done.status, done.previous_response_id) == ("completed", first.id)
    flex = client.responses.create(
        model=MODEL, input="three", service_tier="flex", previous_response_id=background.id
    )
    assert (flex.status, flex.previous_response_id) == ("completed", background.id)
    sent = [text for _, text in texts(upstream.posts[2].json()["input"])]
    assert sent == ["one", TEXT, "two", TEXT, "three"]


@pytest.mark.parametrize("how", [{}, {"background": True}, {"service_tier": "flex"}, {"stream": True}])
def test_what_cannot_be_found_is_refused_before_anything_is_sent(
    client: openai.OpenAI, admin: httpx.Client, upstream: UpstreamThread, how: dict[str, Any]
) -> None:
    theirs = client.with_options(api_key=other_key(admin)).responses.create(model=MODEL, input="one")
    for name in (theirs.id, f"resp_{uuid.uuid4()}", "resp_nonsense"):
        ask: Callable[[], object] = partial(
            client.responses.create, model=MODEL, input="x", previous_response_id=name, **how
        )
        assert name in refused(ask, "previous_response_not_found")
    assert len(upstream.posts) == 1


def test_what_was_not_stored_cannot_be_gone_on_from(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    first = client.responses.create(model=MODEL, input="one", store=False)
    refused(
        lambda: client.responses.create(model=MODEL, input="x", previous_response_id=first.id),
        "previous_response_not_found",
    )


def test_what_failed_or_still_runs_cannot_be_gone_on_from(
    client: openai.OpenAI, upstream: UpstreamThread
) -> None:
    upstream.push(server_error(500), hanging())
    with pytest.raises(openai.InternalServerError) as caught:
        client.responses.create(model=MODEL, input="one")
    failed = caught.value.response.headers["x-onwards-response-id"]
    with client.responses.create(model=MODEL, input="two", stream=True) as stream:
        running = next(event.response for event in stream if hasattr(event, "response")).id
        for name, word in ((failed, "failed"), (running, "in progress")):
            ask = partial(client.responses.create, model=MODEL, input="x", previous_response_id=name)
            assert word in refused(ask, "previous_response_not_completed")


def test_calls_of_other_routes_cannot_be_gone_on_from(client: openai.OpenAI) -> None:
    raw = client.embeddings.with_raw_response.create(model=MODEL, input="some text")
    name = raw.headers["x-onwards-response-id"]
    ask = partial(client.responses.create, model=MODEL, input="x", previous_response_id=name)
    assert "/v1/embeddings" in refused(ask, "previous_response_not_completed")


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({PREVIOUS: 7}, "invalid_type", PREVIOUS),
        ({"conversation": 7}, "invalid_type", "conversation"),
        ({"conversation": {"name": "x"}}, "invalid_type", "conversation"),
        ({"conversation": "conv_x"}, "conversation_not_found", "conversation"),
        ({"conversation": f"conv_{uuid.uuid4()}"}, "conversation_not_found", "conversation"),
        ({PREVIOUS: "resp_x", "conversation": "conv_x"}, "mutually_exclusive_parameters", PREVIOUS),
        ({PREVIOUS: "resp_x", "input": 7}, "invalid_type", "input"),
    ],
)
def test_wrong_values(
    client: openai.OpenAI, upstream: UpstreamThread, fields: dict[str, Any], code: str, param: str
) -> None:
    body = {"model": MODEL, "input": "x", **fields}
    refused(lambda: client.post("/responses", body=body, cast_to=object), code, param)
    assert upstream.posts == []


def test_a_name_twice_is_refused(product: Product, upstream: UpstreamThread) -> None:
    for name in (PREVIOUS, "conversation"):
        body = b'{"model":"%b","input":"x","%b":"a","%b":"b"}' % (
            MODEL.encode(),
            name.encode(),
            name.encode(),
        )
        headers = {"Authorization": f"Bearer {product.key}", "Content-Type": "application/json"}
        answer = httpx.post(f"{product.base_url}/responses", content=body, headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, name)
    assert upstream.posts == []


def test_lines_of_a_batch_go_on(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    first = client.responses.create(model=MODEL, input="one")
    conversation = client.conversations.create(items=[{"type": "message", "role": "user", "content": "Hi"}])
    bodies = (
        {"input": "two", PREVIOUS: first.id},
        {"input": "three", "conversation": conversation.id},
        {"input": "four", PREVIOUS: f"resp_{uuid.uuid4()}"},
    )
    lines = [
        msgspec.json.encode(
            {"custom_id": str(n), "method": "POST", "url": "/v1/responses", "body": {"model": MODEL, **body}}
        )
        for n, body in enumerate(bodies)
    ]
    file = client.files.create(file=("b.jsonl", b"\n".join(lines)), purpose="batch")
    made = client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
    found: list[Any] = []

    def done() -> bool:
        found[:] = [client.batches.retrieve(made.id)]
        return bool(found[0].status == "completed")

    until(done, "the batch ends")
    (batch,) = found
    assert (batch.request_counts.completed, batch.request_counts.failed) == (2, 1)
    sent = sorted((texts(post.json()["input"]) for post in upstream.posts[1:]), key=len)
    assert sent == [
        [("user", "Hi"), ("user", "three")],
        [("user", "one"), ("assistant", TEXT), ("user", "two")],
    ]
    (failed,) = client.files.content(batch.error_file_id).text.splitlines()
    assert "previous_response_not_found" in failed
    listed = list(client.conversations.items.list(conversation.id, order="asc"))
    assert len(listed) == 3


def test_files_are_sent_along(client: openai.OpenAI, admin: httpx.Client, upstream: UpstreamThread) -> None:
    text = client.files.create(file=("a.txt", b"a file"), purpose="user_data")
    picture = client.files.create(file=("a.bin", b"\x89PNG picture"), purpose="vision")
    parts: Any = [
        {"type": "input_text", "text": "Look."},
        {"type": "input_file", "file_id": text.id},
        {"type": "input_image", "file_id": f"file-{picture.id}", "detail": "low"},
        {"type": "input_file", "file_id": "file-of-the-server"},
    ]
    first = client.responses.create(model=MODEL, input=[{"role": "user", "content": parts}])
    client.responses.create(model=MODEL, input="And?", previous_response_id=first.id)
    whole = [
        {"type": "input_text", "text": "Look."},
        {"type": "input_file", "filename": "a.txt", "file_data": data_url("text/plain", b"a file")},
        {"type": "input_image", "detail": "low", "image_url": data_url("image/png", b"\x89PNG picture")},
        {"type": "input_file", "file_id": "file-of-the-server"},
    ]
    for sent in upstream.posts:
        assert sorted(sent.json()["input"][0]["content"], key=str) == sorted(whole, key=str)
    batch = client.files.create(file=("b.jsonl", LINE), purpose="batch")
    other = client.with_options(api_key=other_key(admin))
    for who, name, code in (
        (client, batch.id, "invalid_value"),
        (client, str(uuid.uuid4()), "file_not_found"),
        (other, text.id, "file_not_found"),
    ):
        content: Any = [{"type": "input_file", "file_id": name}]
        ask = partial(who.responses.create, model=MODEL, input=[{"role": "user", "content": content}])
        assert name in refused(ask, code, "input[0].content[0].file_id")
    client.files.delete(text.id)
    ask = partial(client.responses.create, model=MODEL, input="x", previous_response_id=first.id)
    refused(ask, "file_not_found", "input[0].content[1].file_id")


def test_a_large_file_is_sent_as_it_is(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    content = os.urandom(2_500_001)
    file = client.files.create(file=("a.pdf", content), purpose="user_data")
    part: Any = {"type": "input_file", "file_id": file.id, "filename": "b.pdf"}
    client.responses.create(model=MODEL, input=[{"role": "user", "content": [part]}])
    (sent,) = upstream.posts[0].json()["input"][0]["content"]
    assert sent == {
        "type": "input_file",
        "filename": "b.pdf",
        "file_data": data_url("application/pdf", content),
    }


def test_items_are_put_in_their_place(
    client: openai.OpenAI, admin: httpx.Client, upstream: UpstreamThread
) -> None:
    chat = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "one"}])
    item = client.responses.retrieve(chat.id).output[0]
    given: Any = [{"type": "item_reference", "id": item.id}, {"role": "user", "content": "two"}]
    client.responses.create(model=MODEL, input=given)
    sent = upstream.posts[1].json()["input"]
    assert texts(sent) == [("assistant", TEXT), ("user", "two")]
    assert sent[0]["id"] == item.id
    other = client.with_options(api_key=other_key(admin))
    ask: Callable[[], object] = partial(other.responses.create, model=MODEL, input=given)
    assert str(item.id) in refused(ask, "item_not_found", "input[0].id")
    # The model server may know what cannot be ours.
    foreign: Any = [{"type": "item_reference", "id": "msg_abc"}]
    client.responses.create(model=MODEL, input=foreign)
    assert upstream.posts[2].json()["input"] == foreign
