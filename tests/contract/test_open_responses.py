"""The cases by which servers are held to Open Responses (spec/wire-api §1), before a model server that knows only chat
completions and before one that knows `/responses` itself.

Every answer and every event goes through the closed schema of `tests/wire/open_responses.py`. The WebSocket has its own
module (`test_response_socket.py`).
"""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from tests.contract.adapter import native
from tests.fakes import shapes
from tests.fakes.answers import Answer, Framing, frames, json_reply, stream_reply
from tests.fakes.incoming import Request
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.shapes import Json
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product
from tests.wire.open_responses import rebuilt, response, told

pytestmark = pytest.mark.xdist_group("contract")

TEXT = "Hello from the fake model."
ARGUMENTS = '{"location":"San Francisco, CA"}'
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The current weather somewhere",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "City and state"}},
        "required": ["location"],
    },
    "strict": True,
}
ASKED = {"type": "message", "role": "user", "content": "What is the weather in San Francisco?"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": ARGUMENTS}
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)


def calls_first(request: Request) -> Answer:
    """A model server that calls a function where it may, unless it has been told what the function said."""
    body = request.json()
    told_already = any(
        item.get("role") == "tool" or item.get("type") == "function_call_output"
        for item in body.get("messages") or body.get("input") or ()
        if isinstance(item, dict)
    )
    if not body.get("tools") or told_already:
        return ModelServer()(request)
    return _as_response(body) if request.path == "/v1/responses" else _as_chat(body)


def _as_chat(body: Json) -> Answer:
    function = {"name": "get_weather", "arguments": ARGUMENTS}
    call = {"id": "call_1", "type": "function", "function": function}
    if not body.get("stream"):
        whole = shapes.chat_completion(MODEL, "", finish_reason="tool_calls")
        whole["choices"][0]["message"] |= {"content": None, "tool_calls": [call]}
        return json_reply(whole)
    deltas: list[Json] = [{"tool_calls": [{"index": 0, **call, "function": {**function, "arguments": ""}}]}]
    deltas += [
        {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
        for piece in (ARGUMENTS[:9], ARGUMENTS[9:])
    ]
    chunks = shapes.chat_chunks(MODEL, ["", "", ""], include_usage=True, finish_reason="tool_calls")
    for chunk, delta in zip(chunks[1:4], deltas, strict=True):
        chunk["choices"][0]["delta"] = delta
    return stream_reply(frames(chunks), framing=Framing.CHUNKED)


def _as_response(body: Json) -> Answer:
    item: Json = {"id": "fc_1", "status": "completed", **CALL}
    whole = shapes.response(MODEL, "") | {"output": [item], "tools": [TOOL]}
    if not body.get("stream"):
        return json_reply(whole)
    place: Json = {"output_index": 0, "item_id": "fc_1"}
    begun = shapes.response(MODEL, "", status="in_progress") | {"tools": [TOOL]}
    bodies: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "status": "in_progress", "arguments": ""},
        },
        {"type": "response.function_call_arguments.delta", **place, "delta": ARGUMENTS},
        {
            "type": "response.function_call_arguments.done",
            **place,
            "name": "get_weather",
            "arguments": ARGUMENTS,
        },
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(bodies)]
    return stream_reply(frames(numbered, named=True), framing=Framing.CHUNKED)


@pytest.fixture(params=["chat", "native"])
def way(request: pytest.FixtureRequest, product: Product, upstream: UpstreamThread) -> Iterator[str]:
    """What the model's server knows."""
    upstream.forget(calls_first)
    if request.param == "chat":
        yield "/v1/chat/completions"
        return
    with native(product):
        yield "/v1/responses"


class Asker:
    """Sends requests and checks what comes."""

    def __init__(self, product: Product, upstream: UpstreamThread, way: str) -> None:
        self._url = f"{product.base_url}/responses"
        self._headers = {"authorization": f"Bearer {product.key}"}
        self._upstream = upstream
        self._way = way

    @property
    def sent(self) -> Json:
        """What the model server got."""
        (post,) = self._upstream.posts
        assert post.path == self._way
        body: Json = post.json()
        return body

    def whole(self, **body: Any) -> Json:
        """The response, read back as it came."""
        answer = self._post({"model": MODEL, **body})
        assert answer.headers["content-type"] == "application/json"
        found: Json = answer.json()
        response(found)
        self._check(found)
        return found

    def stream(self, **body: Any) -> list[Json]:
        """The events, which come to the same as the last of them says."""
        answer = self._post({"model": MODEL, **body, "stream": True})
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = told(answer.content)
        last: Json = found[-1]["response"]
        assert rebuilt(found) == last["output"]
        self._check(last)
        return found

    def _post(self, body: Json) -> httpx.Response:
        answer = httpx.post(self._url, json=body, headers=self._headers, timeout=20, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer

    def _check(self, found: Json) -> None:
        back = httpx.get(
            f"{self._url}/{found['id']}", headers=self._headers, timeout=20, trust_env=False
        ).json()
        assert back["output"] == found["output"]
        response(back)
        if self._way != "/v1/responses":
            assert back == found


@pytest.fixture
def ask(product: Product, upstream: UpstreamThread, way: str) -> Asker:
    """A client."""
    return Asker(product, upstream, way)


def text_of(found: Json) -> str:
    """What a response says."""
    assert found["status"] == "completed"
    (item,) = found["output"]
    text: str = item["content"][0]["text"]
    return text


def test_a_text(ask: Asker) -> None:
    assert text_of(ask.whole(input=[{"type": "message", "role": "user", "content": "Say hello."}])) == TEXT


def test_a_text_in_short(ask: Asker) -> None:
    assert text_of(ask.whole(input="Say hello.")) == TEXT


def test_a_streamed_text(ask: Asker) -> None:
    found = ask.stream(input=[{"type": "message", "role": "user", "content": "Count to five."}])
    assert text_of(found[-1]["response"]) == TEXT
    assert found[-1]["response"]["usage"]["output_tokens"] == 5


def test_a_system_message(ask: Asker) -> None:
    system = {"type": "message", "role": "system", "content": "Speak as a pirate does."}
    assert (
        text_of(ask.whole(input=[system, {"type": "message", "role": "user", "content": "Hello."}])) == TEXT
    )
    (first, *_) = ask.sent.get("messages") or ask.sent["input"]
    assert (first["role"], first["content"]) == ("system", "Speak as a pirate does.")


def test_instructions_and_a_developers_message(ask: Asker) -> None:
    developer = {"role": "developer", "content": [{"type": "input_text", "text": "Be kind."}]}
    found = ask.whole(instructions="Be brief.", input=[developer, {"role": "user", "content": "Hello."}])
    assert found["instructions"] == "Be brief."


def test_a_function_is_called(ask: Asker) -> None:
    (item,) = ask.whole(input=[ASKED], tools=[TOOL])["output"]
    assert (item["type"], item["name"], item["arguments"]) == ("function_call", "get_weather", ARGUMENTS)


def test_a_function_is_called_in_a_stream(ask: Asker) -> None:
    found = ask.stream(input=[ASKED], tools=[TOOL])
    kinds = [event["type"] for event in found]
    (added,) = [event["item"] for event in found if event["type"] == "response.output_item.added"]
    assert (added["type"], added["name"], added["call_id"]) == ("function_call", "get_weather", "call_1")
    assert "response.function_call_arguments.delta" in kinds
    assert "response.function_call_arguments.done" in kinds


def test_what_a_function_said_is_answered(ask: Asker) -> None:
    output = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
    assert text_of(ask.whole(input=[ASKED, CALL, output], tools=[TOOL])) == TEXT


def test_a_picture(ask: Asker) -> None:
    parts = [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": PIXEL}]
    assert text_of(ask.whole(input=[{"type": "message", "role": "user", "content": parts}])) == TEXT
    assert PIXEL in msgspec.json.encode(ask.sent).decode()


def test_a_file(ask: Asker) -> None:
    file = {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}
    assert text_of(ask.whole(input=[{"role": "user", "content": [file]}])) == TEXT
    assert "aGk=" in msgspec.json.encode(ask.sent).decode()


def test_several_turns(ask: Asker) -> None:
    talk = [
        {"type": "message", "role": "user", "content": "My name is Alice."},
        {"type": "message", "role": "assistant", "content": "Hello Alice!"},
        {"type": "message", "role": "user", "content": "What is my name?"},
    ]
    assert text_of(ask.whole(input=talk)) == TEXT
    sent = ask.sent.get("messages") or ask.sent["input"]
    assert [item["role"] for item in sent] == ["user", "assistant", "user"]


def test_an_answer_is_sent_back_as_it_came(ask: Asker, upstream: UpstreamThread, way: str) -> None:
    found = ask.whole(input=[ASKED])
    upstream.forget(calls_first)
    phased = [{**item, "phase": "final_answer"} for item in found["output"]]
    assert text_of(ask.whole(input=[ASKED, *phased, {"role": "user", "content": "And now?"}])) == TEXT
    if way == "/v1/chat/completions":
        assert ask.sent["messages"][1] == {"role": "assistant", "content": TEXT}


def test_a_history_with_phases(ask: Asker) -> None:
    talk = [
        {"type": "message", "role": "assistant", "phase": "commentary", "content": "Let me look it up."},
        {"type": "message", "role": "assistant", "phase": "final_answer", "content": "It is four."},
        {"type": "message", "role": "user", "content": "Say the number alone."},
    ]
    assert text_of(ask.whole(input=talk)) == TEXT
    sent = ask.sent.get("messages") or ask.sent["input"]
    assert [(item["role"], item["content"]) for item in sent] == [
        (item["role"], item["content"]) for item in talk
    ]


def test_an_answer_with_phases(product: Product, upstream: UpstreamThread) -> None:
    """Of a model server that knows them: they reach the client, and whoever reads the response later."""
    said = [("msg_1", "commentary", "I look it up."), ("msg_2", "final_answer", "It is four.")]
    output = [
        {
            "id": ident,
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "phase": phase,
            "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}],
        }
        for ident, phase, text in said
    ]
    with native(product):
        upstream.push(json_reply(shapes.response(MODEL, "") | {"output": output}))
        found = Asker(product, upstream, "/v1/responses").whole(input="How many?")
    assert found["output"] == output


def test_a_schema(ask: Asker) -> None:
    wanted = {
        "type": "json_schema",
        "name": "n",
        "description": None,
        "schema": {"type": "object"},
        "strict": True,
    }
    assert ask.whole(input="x", text={"format": wanted})["text"]["format"] == wanted


@pytest.mark.parametrize("choice", ["none", "auto", "required", {"type": "function", "name": "get_weather"}])
def test_choices(ask: Asker, choice: Any) -> None:
    ask.whole(input=[ASKED], tools=[TOOL], tool_choice=choice)


def test_everything_is_repeated(ask: Asker) -> None:
    asked: Json = {
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "top_p": 0.9,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "parallel_tool_calls": False,
        "max_output_tokens": 99,
        "max_tool_calls": 3,
        "truncation": "auto",
        "store": True,
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "reasoning": {"effort": "low", "summary": None},
    }
    found = ask.whole(input="x", **asked)
    assert {name: found[name] for name in asked} == asked


def test_an_answer_that_was_cut_short_is_incomplete(ask: Asker, way: str) -> None:
    found = ask.stream(input="x", max_output_tokens=2)
    # The fake server that knows responses takes no note of it.
    status = "incomplete" if way == "/v1/chat/completions" else "completed"
    assert found[-1]["type"] == f"response.{status}"
    assert [item["status"] for item in found[-1]["response"]["output"]] == [status]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": "none", "input": "x"}, 404, "model"),
        ({"input": "x"}, 400, "model"),
        ({"model": MODEL, "input": "x", "stream": "yes"}, 400, "stream"),
    ],
)
def test_errors_have_all_four_keys(product: Product, way: str, body: Json, status: int, param: str) -> None:
    headers = {"authorization": f"Bearer {product.key}"}
    answer = httpx.post(f"{product.base_url}/responses", json=body, headers=headers, trust_env=False)
    assert answer.status_code == status, way
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param
