"""Streams of responses as the chunks they become, and requests that cannot become one."""

from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dwctl.requests.reassemble import whole_reply
from dwctl.wire.errors import Refused
from dwctl.wire.sse import data_of, events
from dwctl.wire.translate.back.problems import problem_of_failure, problem_of_reply
from dwctl.wire.translate.back.reply import completion_of
from dwctl.wire.translate.back.request import response_request
from dwctl.wire.translate.back.stream import ChunkStream
from dwctl.wire.translate.echo import echo_of
from dwctl.wire.translate.stream import Ended, ResponseStream
from tests.fakes import shapes
from tests.fakes.responses import called, events_of, refused, response, text, thought
from tests.wire.translate.test_chunkings import _ANY, chunkings
from tests.wire.translate.test_stream import CALL, USAGE, chunk

Json = dict[str, Any]
CITED = {"type": "url_citation", "url": "https://example.com", "title": "t", "start_index": 0, "end_index": 1}
TOKEN = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
ITEMS = (
    thought("Hmm."),
    thought("In short.", summarised=True),
    text("Hé llo ✓"),
    refused("I cannot."),
    called("c1", "f", '{"a":1}'),
    called("c2", "g", "{}"),
    called("c3", "g", ""),
)


def chunks_of(told: list[Json]) -> bytes:
    """What a client is told for these events."""
    stream = ChunkStream()
    return b"".join([stream.feed(msgspec.json.encode(event)) for event in told])


def same(found: Json | None, wanted: Json | None) -> bool:
    """Whether a stream says what the whole answer does."""
    assert found is not None
    assert wanted is not None
    return {**found, "id": "", "created": 0, "model": ""} == {**wanted, "id": "", "created": 0, "model": ""}


ANSWERS = st.builds(
    lambda items, ended: response(*items, **ended),
    st.lists(st.sampled_from(ITEMS), max_size=5).map(
        lambda items: [
            item | {"id": f"{item['id']}{at}"} | ({"call_id": f"c{at}"} if "call_id" in item else {})
            for at, item in enumerate(items)
        ]
    ),
    st.sampled_from(
        [
            {},
            {"usage": None},
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            {"status": "incomplete", "incomplete_details": None},
        ]
    ),
)


@settings(deadline=None)
@given(ANSWERS, st.integers(1, 9), st.sets(st.sampled_from(["delta", "done", "added", "item"])))
@example(response(called("c1", "f", '{"a":1}'), called("c2", "g", "{}")), 1, {"delta", "done"})
def test_however_a_server_tells_it_the_answer_is_that_of_the_whole(
    ended: Json, size: int, silent: set[str]
) -> None:
    def kept(event: Json) -> bool:
        kind: str = event["type"]
        name = kind.rpartition(".")[2]
        return not (name in silent or ("item" in silent and "output_item" in kind))

    # Pieces of a call whose beginning was never told belong to nothing that is known.
    if "done" in silent and ("added" in silent or "item" in silent):
        silent = silent | {"delta"}
    told = chunks_of([event for event in events_of(ended, size) if kept(event)])
    assert told.endswith(b"data: [DONE]\n\n")
    assert same(whole_reply(told), completion_of(ended))


@settings(deadline=None)
@given(chunkings(), st.sampled_from(["stop", "length", "content_filter"]))
def test_a_stream_loses_nothing_there_and_back(given_: tuple[Json, list[Json]], finish: str) -> None:
    message, deltas = given_
    stream = ResponseStream(CALL, echo_of(b"{}"), lambda: Ended(9))
    chunks = [*map(chunk, deltas), chunk(finish=finish), {"choices": [], "usage": USAGE}]
    out = b"".join([stream.feed(msgspec.json.encode(each)) for each in chunks]) + stream.feed(b"[DONE]")
    back = ChunkStream()
    told = b"".join([back.feed(data_of(event)) for event in events(out)])
    assert stream.response is not None
    made = whole_reply(told)
    assert same(made, completion_of(stream.response))
    assert made is not None
    (choice,) = made["choices"]
    for name in ("reasoning_content", "refusal", "content"):
        assert (choice["message"].get(name) or None) == (message.get(name) or None)
    names = [call["function"]["name"] for call in choice["message"].get("tool_calls", ())]
    assert names == [call["function"]["name"] for call in message.get("tool_calls", ())]


@settings(deadline=None)
@given(st.lists(_ANY, max_size=5), st.sampled_from([event["type"] for event in events_of(response(*ITEMS))]))
def test_whatever_a_server_says_nothing_breaks(values: list[Any], kind: str) -> None:
    names = ("item", "response", "delta", "part", "annotation", "output_index", "content_index", "item_id")
    stream = ChunkStream()
    for value in values:
        stream.feed(msgspec.json.encode(value))
        stream.feed(msgspec.json.encode({"type": kind, **dict.fromkeys(names, value)}))
        completion_of({"output": [value, {"type": "message", "content": value}], "usage": value})
        problem_of_failure(value)
        problem_of_reply(400, msgspec.json.encode({"error": value}), b"")


@pytest.mark.parametrize("pieces", [True, False])
def test_sources_and_log_probabilities_are_told_once(pieces: bool) -> None:
    part = {"type": "output_text", "text": "a", "annotations": [CITED], "logprobs": [TOKEN]}
    told = events_of(response(text("") | {"content": [part]}))
    if pieces:
        for event in told:
            if event["type"] == "response.output_text.delta":
                event["logprobs"] = [TOKEN]
    else:
        told = [event for event in told if event["type"].endswith(("created", "completed"))]
    deltas = [
        msgspec.json.decode(data_of(event))["choices"][0]
        for event in events(chunks_of(told))
        if b'"choices":[{' in event
    ]
    found = [each for choice in deltas for each in choice["delta"].get("annotations", ())]
    assert found == [
        {"type": "url_citation", "url_citation": {k: v for k, v in CITED.items() if k != "type"}}
    ]
    assert [choice["logprobs"] for choice in deltas if "logprobs" in choice] == [{"content": [TOKEN]}]


def test_thoughts_that_are_told_twice_are_told_once() -> None:
    both = thought("All of it.") | {"summary": [{"type": "summary_text", "text": "It."}]}
    made = whole_reply(chunks_of(events_of(response(both))))
    assert made is not None
    assert made["choices"][0]["message"]["reasoning_content"] == "It."
    whole = completion_of(response(both))
    assert whole is not None
    assert whole["choices"][0]["message"]["reasoning_content"] == "All of it."


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled", "failed"])
def test_what_has_not_ended_is_no_completion(status: str) -> None:
    assert completion_of(response(text("x"), status=status)) is None
    assert completion_of({"object": "list", "data": []}) is None


USER = {"role": "user", "content": "x"}
SAYS = {"role": "assistant", "content": "x"}


def refusal(**fields: Any) -> tuple[str | None, str | None]:
    """Place and code of what keeps a chat from being translated."""
    with pytest.raises(Refused) as caught:
        response_request(msgspec.json.encode({"model": "m", "messages": [USER], **fields}))
    problem = caught.value.problem
    assert problem.status == 400
    assert f"'{problem.param}'" in problem.message
    return problem.param, problem.code


UNSUPPORTED, UNKNOWN, MISSING, INVALID = (
    "unsupported_parameter",
    "unknown_parameter",
    "missing_required_parameter",
    "invalid_value",
)
TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"n": 2}, "n", UNSUPPORTED),
        ({"n": True}, "n", UNSUPPORTED),
        ({"stop": "x"}, "stop", UNSUPPORTED),
        ({"seed": 0}, "seed", UNSUPPORTED),
        ({"logit_bias": {"1": 2}}, "logit_bias", UNSUPPORTED),
        ({"modalities": ["text", "audio"]}, "modalities", UNSUPPORTED),
        ({"audio": {"voice": "x"}}, "audio", UNSUPPORTED),
        ({"prediction": {}}, "prediction", UNSUPPORTED),
        ({"web_search_options": {}}, "web_search_options", UNSUPPORTED),
        ({"functions": [{"name": "f"}]}, "functions", UNSUPPORTED),
        ({"function_call": "auto"}, "function_call", UNSUPPORTED),
        ({"input": "x"}, "input", UNKNOWN),
        ({"previous_response_id": "resp_1"}, "previous_response_id", UNKNOWN),
        ({"background": True}, "background", UNKNOWN),
        ({"max_output_tokens": 5}, "max_output_tokens", UNKNOWN),
        ({"messages": None}, "messages", "invalid_type"),
        ({"messages": []}, "messages", MISSING),
        ({"messages": [{"content": "x"}]}, "messages.0.role", MISSING),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages.0.role", INVALID),
        ({"messages": [USER, {"role": "user"}]}, "messages.1.content", MISSING),
        ({"messages": [USER | {"name": "Ann"}]}, "messages.0.name", INVALID),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.tool_call_id", MISSING),
        ({"messages": [SAYS | {"audio": {"id": "a"}}]}, "messages.0.audio", INVALID),
        ({"messages": [SAYS | {"function_call": {}}]}, "messages.0.function_call", INVALID),
        (
            {"messages": [SAYS | {"tool_calls": [{"id": "c", "type": "custom"}]}]},
            "messages.0.tool_calls.0.type",
            INVALID,
        ),
        ({"messages": [SAYS | {"tool_calls": [{"id": "c"}]}]}, "messages.0.tool_calls.0.function", MISSING),
        ({"messages": [SAYS | {"content": [{"type": "x"}]}]}, "messages.0.content.0.type", INVALID),
        (
            {"messages": [USER | {"content": [{"type": "image_url"}]}]},
            "messages.0.content.0.image_url",
            MISSING,
        ),
        ({"messages": [USER | {"content": [{"type": "text"}]}]}, "messages.0.content.0.text", MISSING),
        ({"messages": [USER | {"content": [{"type": "x"}]}]}, "messages.0.content.0.type", INVALID),
        (
            {"messages": [{"role": "system", "content": [{"type": "file", "file": {}}]}]},
            "messages.0.content.0.type",
            INVALID,
        ),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools.0.type", INVALID),
        ({"tools": [TOOL, {"type": "function"}]}, "tools.1.function", MISSING),
        ({"tools": [{"function": {}}]}, "tools.0.function.name", MISSING),
        ({"tool_choice": {"type": "custom"}}, "tool_choice.type", INVALID),
        ({"tool_choice": 5}, "tool_choice", "invalid_type"),
        ({"response_format": {"type": "regex"}}, "response_format.type", INVALID),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", MISSING),
        ({"logprobs": 3}, "logprobs", "invalid_type"),
        ({"reasoning": "high"}, "reasoning", "invalid_type"),
    ],
)
def test_what_a_response_cannot_say_is_refused_by_its_place(fields: Json, param: str, code: str) -> None:
    assert refusal(**fields) == (param, code)


def sent(**fields: Any) -> Any:
    """What a chat becomes."""
    body = msgspec.json.encode({"model": "m", "messages": [USER], **fields})
    return msgspec.json.decode(response_request(body))


PLAIN = {
    "model": "m",
    "input": [{"type": "message", "role": "user", "content": "x"}],
    "store": False,
}


def test_what_asks_for_nothing_is_left_out() -> None:
    nothing = {"n": 1, "stop": [], "logit_bias": {}, "modalities": ["text"], "background": False}
    nulls = dict.fromkeys(["seed", "tools", "max_tokens", "stop", "user"])
    assert sent(**nothing) == sent(**nulls) == sent(stream_options={"include_usage": True}) == PLAIN


def test_what_both_know_and_what_neither_knows_goes_on() -> None:
    both = {
        "temperature": 0.5,
        "metadata": {"a": "b"},
        "service_tier": "priority",
        "store": True,
        "user": "u",
    }
    assert sent(**both, top_k=5, x={"y": [1]}) == {**PLAIN, **both, "top_k": 5, "x": {"y": [1]}}


def test_limits_and_reasoning() -> None:
    assert sent(max_tokens=1, max_completion_tokens=2)["max_output_tokens"] == 2
    assert sent(max_completion_tokens=2, max_tokens=1)["max_output_tokens"] == 2
    wanted = {"effort": "low", "summary": "auto"}
    assert (
        sent(reasoning={"summary": "auto", "effort": "high"}, reasoning_effort="low")["reasoning"] == wanted
    )
    assert sent(reasoning_effort="low", reasoning={"summary": "auto"})["reasoning"] == wanted


def test_allowed_tools_and_results() -> None:
    allowed = {"mode": "required", "tools": [TOOL]}
    made = sent(tools=[TOOL], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    flat = [{"type": "function", "name": "f"}]
    assert made["tool_choice"] == {"type": "allowed_tools", "mode": "required", "tools": flat}
    assert made["tools"] == [{"type": "function", "name": "f", "parameters": None, "strict": False}]
    shown = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}]
    tool = {"role": "tool", "tool_call_id": "c", "name": "f", "content": shown}
    (item,) = sent(messages=[tool])["input"]
    image = {"type": "input_image", "image_url": "u", "detail": "auto"}
    assert item["output"] == [{"type": "input_text", "text": "a"}, image]


def test_what_the_model_said_before() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    parts = [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
        {"type": "refusal", "refusal": "no"},
    ]
    messages = [
        {"role": "assistant", "content": "", "reasoning": "Hmm.", "tool_calls": [call], "annotations": []},
        {"role": "assistant", "content": parts},
        {"role": "assistant", "content": None, "refusal": "no"},
        {"role": "assistant", "content": None},
    ]
    said = {"type": "message", "role": "assistant"}
    declined = {"type": "refusal", "refusal": "no"}
    assert sent(messages=messages)["input"] == [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hmm."}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'},
        {**said, "content": [{"type": "output_text", "text": "ab"}, declined]},
        {**said, "content": [declined]},
        {**said, "content": ""},
    ]


@pytest.mark.parametrize(
    ("param", "asked", "name"),
    [
        ("max_output_tokens", {"max_tokens": 1}, "max_tokens"),
        ("max_output_tokens", {"max_completion_tokens": 1}, "max_completion_tokens"),
        ("input[2].content", {}, "messages"),
        ("text.format.schema", {}, "response_format"),
        ("text.verbosity", {}, "verbosity"),
        ("reasoning.effort", {}, "reasoning_effort"),
        ("include[0]", {}, "logprobs"),
        ("tools[0].name", {}, "tools[0].name"),
        ("inputs", {}, "inputs"),
    ],
)
def test_errors_name_the_fields_of_a_chat(param: str, asked: Json, name: str) -> None:
    body = msgspec.json.encode(shapes.error(f"Invalid '{param}'.", param=param))
    problem = problem_of_reply(422, body, msgspec.json.encode(asked))
    assert (problem.status, problem.param, problem.message) == (422, name, f"Invalid '{name}'.")


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        ({"code": "rate_limit_exceeded", "message": "m"}, 429),
        ({"type": "too_many_requests", "message": "m"}, 429),
        ({"code": 503, "message": "m"}, 503),
        ({"code": "529", "message": "m"}, 529),
        ({"code": "context_length_exceeded", "message": "m"}, 400),
        ({"code": "image_too_large", "message": "m"}, 400),
        ({"code": None, "type": "invalid_request_error", "message": "m"}, 400),
        ({"code": "server_error", "message": "m"}, 500),
        ("it broke", 500),
        (None, 500),
    ],
)
def test_a_failure_has_a_status(failure: Any, status: int) -> None:
    assert problem_of_failure(failure).status == status
