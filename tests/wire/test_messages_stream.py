"""Streams and replies of chat completions, as the messages they become."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.gateway.messages import MessagesReshape
from dwctl.wire.errors import Problem
from dwctl.wire.messages.problems import in_messages
from dwctl.wire.messages.reply import message_of
from dwctl.wire.messages.shapes import encoded
from dwctl.wire.sse import Cutter, data_of, events
from tests.fakes.answers import DONE, frames

Json = dict[str, Any]


def chunk(delta: Json | None = None, finish: str | None = None, **more: Any) -> Json:
    """One chunk of a chat completion."""
    return {"id": "c", "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more}


def call(index: int, arguments: str = "", **more: Any) -> Json:
    """A piece of a tool call."""
    name = more.pop("name", None)
    function = {"arguments": arguments, **({"name": name} if name else {})}
    return chunk({"tool_calls": [{"index": index, "function": function, **more}]})


USAGE = {"prompt_tokens": 10, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
COUNTED = {
    "input_tokens": 6,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 4,
    "output_tokens": 3,
}
CHUNKS = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "Hm"}),
    chunk({"reasoning_content": "m."}),
    chunk({"content": "Hé"}),
    chunk({"content": "llo"}),
    call(0, id="t0", name="weather"),
    call(0, '{"city":'),
    call(1, '{"a":1', id="t1", name="time"),
    call(0, '"Rome"}'),
    call(1, "}"),
    chunk({"content": "\n"}),
    chunk(finish="tool_calls"),
    {"id": "c", "choices": [], "usage": USAGE},
]


def reshape(stops: tuple[str, ...] = ()) -> MessagesReshape:
    """For one call."""
    return MessagesReshape("1", "m", stops)


def told(data: bytes) -> list[Json]:
    """Events of a message; each is named by its type."""
    found = []
    for event in events(data):
        name, _, _ = event.partition(b"\n")
        value = msgspec.json.decode(data_of(event))
        assert name == b"event: " + value["type"].encode()
        found.append(value)
    return found


def streamed(*chunks: Json, done: bool = True, stops: tuple[str, ...] = ()) -> list[Json]:
    """All events for these chunks."""
    way = reshape(stops)
    return told(way.feed(b"".join(frames(chunks, done=done))) + way.end())


def assembled(found: list[Json]) -> Json:
    """The message that a client puts together; checks the order of events on the way."""
    assert found[0]["type"] == "message_start"
    message: Json = found[0]["message"]
    open_block: int | None = None
    for event in found[1:]:
        kind = event["type"]
        if kind == "content_block_start":
            assert open_block is None
            open_block = len(message["content"])
            assert event["index"] == open_block
            message["content"].append({**event["content_block"], "json": ""})
        elif kind == "content_block_delta":
            assert event["index"] == open_block
            block, delta = message["content"][-1], event["delta"]
            kinds = {"text_delta": ("text", "text"), "thinking_delta": ("thinking", "thinking")}
            field, source = kinds.get(delta["type"], ("json", "partial_json"))
            assert delta["type"] == {"tool_use": "input_json_delta"}.get(
                block["type"], f"{block['type']}_delta"
            )
            block[field] += delta[source]
        elif kind == "content_block_stop":
            assert event["index"] == open_block
            open_block = None
        elif kind == "message_delta":
            assert open_block is None
            message.update(event["delta"])
            message["usage"] = event["usage"]
    for block in message["content"]:
        text = block.pop("json")
        if block["type"] == "tool_use":
            block["input"] = msgspec.json.decode(text or "{}")
    return message


def test_the_events_of_a_stream() -> None:
    found = streamed(*CHUNKS)
    assert [event["type"] for event in found[-2:]] == ["message_delta", "message_stop"]
    assert assembled(found) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "Hmm.", "signature": ""},
            {"type": "text", "text": "Héllo"},
            {"type": "tool_use", "id": "t0", "name": "weather", "input": {"city": "Rome"}},
            {"type": "tool_use", "id": "t1", "name": "time", "input": {"a": 1}},
            {"type": "text", "text": "\n"},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": COUNTED,
    }


def test_a_piece_is_passed_on_at_once() -> None:
    way = reshape()
    start = told(way.feed(frames([CHUNKS[0]], done=False)[0]))
    assert [event["type"] for event in start] == ["message_start"]
    first = told(way.feed(frames([chunk({"content": "a"})], done=False)[0]))
    assert [event["type"] for event in first] == ["content_block_start", "content_block_delta"]
    second = told(way.feed(frames([chunk({"content": "b"})], done=False)[0]))
    assert second == [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "b"}}
    ]


@given(st.lists(st.integers(0, 2000), max_size=12))
def test_however_a_stream_was_split_the_message_is_the_same(cuts: list[int]) -> None:
    text = b"".join(frames(CHUNKS))
    cutter, way, out = Cutter(), reshape(), b""
    places = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    for start, end in pairwise(places):
        whole = cutter.feed(text[start:end])
        out += way.feed(whole) if whole else b""
    out += way.end()
    assert told(out) == streamed(*CHUNKS)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
    | st.sampled_from(["stop", "null", "{", '{"a":1}', "x" * 9]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "delta", "message", "content", "tool_calls", "function", "name", "arguments", "id", "index",
             "finish_reason", "usage", "prompt_tokens", "reasoning", "refusal", "text", "error"]
        ),
        inner, max_size=6,
    ),
    max_leaves=30,
)  # fmt: skip
_CALLS = st.builds(
    lambda index, text, name: call(index, text, name=name),
    st.integers(-1, 3),
    st.text(max_size=3),
    st.sampled_from(["", "f"]),
)
_CHUNKS = st.lists(
    st.builds(lambda delta, finish, usage: chunk(delta, finish, usage=usage), _JSON, _JSON, _JSON)
    | st.dictionaries(st.sampled_from(["choices", "usage", "x"]), _JSON)
    | _CALLS,
    max_size=8,
)


def _bytes(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (OverflowError, ValueError):
        return b'{"choices":[{"delta":{"content":"\\ud800"}}]}'


@given(_CHUNKS, st.booleans())
def test_whatever_a_stream_says_the_events_are_in_order(chunks: list[Json], done: bool) -> None:
    way = reshape()
    out = b"".join([way.feed(b"data: %b\n\n" % _bytes(each)) for each in chunks])
    out += (way.feed(DONE) if done else b"") + way.end()
    found = told(out)
    assert found[-1]["type"] in ("message_stop", "error")
    assert sum(event["type"] in ("message_stop", "error") for event in found) == 1
    if found[0]["type"] == "message_start":
        for event in found:
            if event["type"] == "content_block_delta" and event["delta"]["type"] == "input_json_delta":
                # What a model makes up as arguments is passed on as it is, JSON or not.
                event["delta"]["partial_json"] = ""
        assembled(found)
    else:
        assert [event["type"] for event in found] == ["error"]


@given(_JSON, st.binary(max_size=20), st.integers(200, 599))
def test_whatever_a_reply_says_it_is_a_message_or_an_error(value: Any, noise: bytes, status: int) -> None:
    for body in (_bytes(value), _bytes({"choices": [{"message": value}], "usage": value}), noise):
        given_status, answer = reshape().whole(status, body)
        found = msgspec.json.decode(answer)
        if status < 300 and given_status == status:
            assert found["type"] == "message"
            assert all(isinstance(block.get("input", {}), dict) for block in found["content"])
        else:
            assert given_status >= 400
            assert found["type"] == "error"
            assert found["error"]["message"]


def test_an_error_in_the_middle_ends_the_stream() -> None:
    error = {"error": {"message": "out of memory", "type": "server_error"}}
    found = streamed(chunk({"content": "a"}), error, chunk({"content": "b"}))
    assert [event["type"] for event in found][-2:] == ["content_block_delta", "error"]
    assert found[-1]["error"] == {"type": "api_error", "message": "out of memory"}


def test_a_stream_that_says_no_more_is_whole_only_with_a_reason() -> None:
    assert streamed(chunk({"content": "a"}, "stop"), done=False)[-1]["type"] == "message_stop"
    assert streamed(chunk({"content": "a"}), done=False)[-1]["type"] == "error"
    assert streamed(done=False)[-1]["type"] == "error"


@pytest.mark.parametrize(
    ("finish", "more", "reason", "sequence"),
    [
        ("stop", {}, "end_turn", None),
        ("length", {}, "max_tokens", None),
        ("content_filter", {}, "refusal", None),
        ("stop", {"stop_reason": "END"}, "stop_sequence", "END"),
        ("stop", {"matched_stop": "END"}, "stop_sequence", "END"),
        ("stop", {"stop_reason": "other"}, "end_turn", None),
        ("stop", {"stop_reason": 128009}, "end_turn", None),
        ("odd", {}, "end_turn", None),
    ],
)
def test_why_the_model_stopped(finish: str, more: Json, reason: str, sequence: str | None) -> None:
    choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": finish, **more}
    message = assembled(streamed({"choices": [choice]}, stops=("END",)))
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)
    choice["message"] = choice["delta"]
    whole = message_of(msgspec.json.encode({"choices": [choice]}), "1", "m", ("END",))
    assert whole is not None
    assert (whole.stop_reason, whole.stop_sequence) == (reason, sequence)


def test_a_whole_reply() -> None:
    message = {
        "role": "assistant",
        "content": [{"type": "text", "text": "Hi"}],
        "reasoning": "Hm.",
        "tool_calls": [
            {"id": "t", "function": {"name": "f", "arguments": '{"a": 1.50}'}},
            {"function": {"name": "g", "arguments": "not json"}},
            {"id": "u", "function": {"name": "h", "arguments": "null"}},
        ],
    }
    reply = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": USAGE}
    found = message_of(msgspec.json.encode(reply), "1", "m", ())
    assert found is not None
    assert msgspec.json.decode(encoded(found)) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": ""},
            {"type": "text", "text": "Hi"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1.5}},
            {"type": "tool_use", "id": "toolu_1_1", "name": "g", "input": {"arguments": "not json"}},
            {"type": "tool_use", "id": "u", "name": "h", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": COUNTED,
    }


@pytest.mark.parametrize(
    ("status", "expected", "kind"),
    [
        (400, 400, "invalid_request_error"),
        (401, 401, "authentication_error"),
        (402, 402, "billing_error"),
        (403, 403, "permission_error"),
        (404, 404, "not_found_error"),
        (413, 413, "request_too_large"),
        (422, 400, "invalid_request_error"),
        (429, 429, "rate_limit_error"),
        (500, 500, "api_error"),
        (502, 502, "api_error"),
        (503, 529, "overloaded_error"),
        (504, 504, "timeout_error"),
    ],
)
def test_an_error_has_the_type_of_its_status(status: int, expected: int, kind: str) -> None:
    problem = in_messages(Problem(status=status, message="no", headers=((b"retry-after", b"1"),)))
    assert (problem.status, problem.headers) == (expected, ((b"retry-after", b"1"),))
    body = {"type": "error", "error": {"type": kind, "message": "no"}, "request_id": None}
    assert msgspec.json.decode(problem.body()) == body
    for said in ({"error": {"message": "no"}}, {"error": "no"}, {"message": "no"}, {"detail": "no"}):
        assert reshape().whole(status, msgspec.json.encode(said)) == (expected, problem.body())
