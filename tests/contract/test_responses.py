"""Responses with the official client on a model server that knows only chat completions."""

from typing import Any

import msgspec
import openai
import pytest
from openai.types.responses import ResponseFunctionToolCall
from pydantic import BaseModel

from tests.fakes import shapes
from tests.fakes.answers import frames, json_reply, server_error, stream_reply
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.shapes import Json
from tests.fakes.upstream import UpstreamThread
from tests.waiting import until
from tests.wire.open_responses import response

pytestmark = pytest.mark.xdist_group("contract")

TEXT = "Hello from the fake model."
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather somewhere",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": True,
}


class Person(BaseModel):
    """What the model is to say."""

    name: str
    age: int


def chunk(delta: Json, finish: str | None = None, **more: Any) -> Json:
    """One chunk of a chat completion."""
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def calling(*calls: tuple[str, str]) -> list[Json]:
    """Chunks of an answer that calls functions: by id, with arguments in two pieces."""
    chunks = [chunk({"role": "assistant", "content": None})]
    for index, (ident, arguments) in enumerate(calls):
        function: Json = {"name": "get_weather", "arguments": ""}
        pieces = [
            {"index": index, "function": {"arguments": piece}} for piece in (arguments[:5], arguments[5:])
        ]
        first = {"index": index, "id": ident, "type": "function", "function": function}
        chunks += [chunk({"tool_calls": [piece]}) for piece in (first, *pieces)]
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    return [*chunks, chunk({}, "tool_calls"), {"id": "c", "choices": [], "usage": usage}]


def whole_of(message: Json, finish: str = "stop") -> Json:
    """A whole completion."""
    made = shapes.chat_completion(MODEL, "", finish_reason=finish)
    made["choices"][0]["message"] |= message
    return made


def test_create(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    raw = client.responses.with_raw_response.create(
        model=MODEL, instructions="Be brief.", input="Say hello", metadata={"a": "b"}, max_output_tokens=99
    )
    answer = raw.parse()
    assert (answer.status, answer.output_text, answer.instructions) == ("completed", TEXT, "Be brief.")
    assert answer.id == raw.headers["x-onwards-response-id"]
    (post,) = upstream.posts
    assert post.path == "/v1/chat/completions"
    assert post.json() == {
        "model": MODEL,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello"}],
        "max_tokens": 99,
    }
    response(raw.http_response.json())
    stored = client.responses.with_raw_response.retrieve(answer.id)
    assert stored.http_response.json() == raw.http_response.json()


def test_stream(client: openai.OpenAI) -> None:
    with client.responses.create(model=MODEL, input="Say hello", stream=True) as stream:
        events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events if event.type != "response.output_text.delta"] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    last = events[-1]
    assert last.type == "response.completed"
    stored = client.responses.retrieve(last.response.id)
    assert stored.model_dump() == last.response.model_dump()


def test_the_stream_helper(client: openai.OpenAI) -> None:
    with client.responses.stream(model=MODEL, input="Say hello") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == TEXT


def test_slow_streams_come_as_they_are_made(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    upstream.forget(ModelServer(chunk_gap=0.1))
    with client.responses.create(model=MODEL, input="Say hello", stream=True) as stream:
        assert next(stream).type == "response.created"
        assert not upstream.posts[0].answered
        for _ in stream:
            pass


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_there_and_back(client: openai.OpenAI, upstream: UpstreamThread, streamed: bool) -> None:
    calls = (("c1", '{"city":"Rome"}'), ("c2", '{"city":"Oslo"}'))
    if streamed:
        upstream.push(stream_reply(frames(calling(*calls))))
        with client.responses.stream(model=MODEL, input="The weather?", tools=[WEATHER]) as stream:
            for _ in stream:
                pass
            first: Any = stream.get_final_response()
    else:
        made = [
            {"id": ident, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
            for ident, arguments in calls
        ]
        upstream.push(json_reply(whole_of({"content": None, "tool_calls": made}, "tool_calls")))
        first = client.responses.create(model=MODEL, input="The weather?", tools=[WEATHER])
    found = [item for item in first.output if isinstance(item, ResponseFunctionToolCall)]
    assert [(item.call_id, item.name, item.arguments) for item in found] == [
        (ident, "get_weather", arguments) for ident, arguments in calls
    ]
    assert client.responses.retrieve(first.id).model_dump()["output"] == [
        {name: value for name, value in item.model_dump().items() if name != "parsed_arguments"}
        for item in first.output
    ]
    results: Any = [
        {"type": "function_call_output", "call_id": ident, "output": "sunny"} for ident, _ in calls
    ]
    asked: Any = [
        {"role": "user", "content": "The weather?"},
        *[item.model_dump() for item in found],
        *results,
    ]
    answer = client.responses.create(model=MODEL, input=asked, tools=[WEATHER])
    assert answer.output_text == TEXT
    sent = upstream.posts[1].json()["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
    assert [call["id"] for call in sent[1]["tool_calls"]] == ["c1", "c2"]


@pytest.mark.parametrize("streamed", [False, True])
def test_structured_output(client: openai.OpenAI, upstream: UpstreamThread, streamed: bool) -> None:
    text = '{"name":"Ada","age":36}'
    if streamed:
        upstream.push(stream_reply(frames(shapes.chat_chunks(MODEL, [text[:9], text[9:]]))))
        with client.responses.stream(model=MODEL, input="Who?", text_format=Person) as stream:
            for _ in stream:
                pass
            answer = stream.get_final_response()
    else:
        upstream.push(json_reply(shapes.chat_completion(MODEL, text)))
        answer = client.responses.parse(model=MODEL, input="Who?", text_format=Person)
    assert answer.output_parsed == Person(name="Ada", age=36)
    wanted = upstream.posts[0].json()["response_format"]
    assert (wanted["type"], wanted["json_schema"]["name"], wanted["json_schema"]["strict"]) == (
        "json_schema",
        "Person",
        True,
    )


@pytest.mark.parametrize("summary", ["auto", None])
def test_thoughts(client: openai.OpenAI, upstream: UpstreamThread, summary: Any) -> None:
    chunks = [
        chunk({"reasoning": "Hm"}),
        chunk({"reasoning": "m."}),
        chunk({"content": "Yes"}),
        chunk({}, "stop"),
    ]
    upstream.push(stream_reply(frames(chunks)))
    kind = "response.reasoning_summary_text.delta" if summary else "response.reasoning_text.delta"
    with client.responses.stream(
        model=MODEL, input="?", reasoning={"effort": "high", "summary": summary}
    ) as stream:
        deltas = [getattr(event, "delta", "") for event in stream if event.type == kind]
        final = stream.get_final_response()
    assert "".join(deltas) == "Hmm."
    assert [item.type for item in final.output] == ["reasoning", "message"]
    assert final.output_text == "Yes"
    assert upstream.posts[0].json()["reasoning_effort"] == "high"
    stored = client.responses.retrieve(final.id)
    assert stored.output[0].model_dump() == final.output[0].model_dump()
    # It can be sent back as it came.
    again: Any = [item.model_dump(exclude_none=True) for item in stored.output]
    client.responses.create(model=MODEL, input=[*again, {"role": "user", "content": "Sure?"}])
    sent = upstream.posts[1].json()["messages"]
    assert sent[0] == {"role": "assistant", "content": "Yes", "reasoning_content": "Hmm."}


def test_an_answer_that_is_too_long(client: openai.OpenAI) -> None:
    with client.responses.create(model=MODEL, input="Say hello", max_output_tokens=2, stream=True) as stream:
        last = list(stream)[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details is not None
    assert last.response.incomplete_details.reason == "max_output_tokens"
    assert last.response.output_text == "Hello from"
    assert client.responses.retrieve(last.response.id).model_dump() == last.response.model_dump()


def test_errors(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model=MODEL, input="x", tools=[{"type": "web_search"}])
    assert (refused.value.param, refused.value.code) == ("tools.0.type", "invalid_value")
    upstream.push(server_error(500))
    with pytest.raises(openai.InternalServerError):
        client.responses.create(model=MODEL, input="x")
    begun = frames(shapes.chat_chunks(MODEL, ["a"])[:2], done=False)
    upstream.push(stream_reply([*begun, *frames([{"error": {"message": "out of memory"}}], done=False)]))
    with client.responses.create(model=MODEL, input="x", stream=True) as stream:
        last = list(stream)[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert (last.response.error.code, last.response.error.message) == ("server_error", "out of memory")
    stored = client.responses.retrieve(last.response.id)
    assert stored.status == "failed"
    assert stored.error is not None
    assert stored.error.message == "out of memory"


@pytest.mark.parametrize("how", [{"background": True}, {"service_tier": "flex"}])
def test_queued_calls(client: openai.OpenAI, upstream: UpstreamThread, how: Any) -> None:
    asked = client.responses.create(model=MODEL, input="Say hello", metadata={"a": "b"}, **how)

    def done() -> bool:
        return client.responses.retrieve(asked.id).status == "completed"

    until(done, "the call is run")
    stored = client.responses.with_raw_response.retrieve(asked.id)
    response(stored.http_response.json())
    answer = stored.parse()
    assert (answer.output_text, answer.metadata, answer.background) == (TEXT, {"a": "b"}, "background" in how)
    assert answer.output[0].id == f"msg_{asked.id.removeprefix('resp_')}_0"
    assert upstream.posts[0].path == "/v1/chat/completions"
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model=MODEL, input="x", tools=[{"type": "web_search"}], **how)
    assert refused.value.param == "tools.0.type"


def test_lines_of_a_batch(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    bodies: list[Json] = [
        {"model": MODEL, "input": "Say hello"},
        {"model": MODEL, "input": "x", "conversation": "c"},
    ]
    lines = [
        {"custom_id": str(number), "method": "POST", "url": "/v1/responses", "body": body}
        for number, body in enumerate(bodies)
    ]
    file = client.files.create(file=b"\n".join(map(msgspec.json.encode, lines)), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")

    def done() -> bool:
        return client.batches.retrieve(batch.id).status == "completed"

    until(done, "the batch is done")
    batch = client.batches.retrieve(batch.id)
    assert batch.output_file_id
    assert batch.error_file_id
    (good,) = client.files.content(batch.output_file_id).text.splitlines()
    found = msgspec.json.decode(good)["response"]["body"]
    response(found)
    assert found["output"][0]["content"][0]["text"] == TEXT
    assert found["background"] is False
    (bad,) = client.files.content(batch.error_file_id).text.splitlines()
    assert '"param":"conversation"' in bad
    assert [post.path for post in upstream.posts] == ["/v1/chat/completions"]
