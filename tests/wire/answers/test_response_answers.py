"""Responses objects and events through the schema: complete, without what only a provider knows."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from msgspec import Raw

from dwctl.wire.answers.fields import Malformed
from dwctl.wire.answers.responses import ResponseAnswer
from dwctl.wire.sse import data_of
from tests.fakes import shapes
from tests.wire.answers.texts import JSON, OBJECTS, encoded

REQUIRED = set(shapes.response("m", "text"))
MORE = {"user", "conversation", "prompt", "prompt_cache_retention"}
MESSAGE = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}


def mask(_: Raw) -> object:
    """Any error is this one."""
    return {"code": "server_error", "message": "masked"}


def answer(asked: bytes = b"{}") -> ResponseAnswer:
    """Of one call."""
    return ResponseAnswer("alias", "1", asked, mask)


def whole(value: Any, asked: Any = None) -> Any:
    """A complete answer, cleaned."""
    return msgspec.json.decode(answer(encoded(asked)).whole(encoded(value)))


def event(value: Any, cleaner: ResponseAnswer | None = None) -> Any:
    """An event, cleaned; its name is its type."""
    text = (cleaner or answer()).event(encoded(value))
    shown = msgspec.json.decode(data_of(text))
    assert text.startswith(b"event: %b\ndata: {" % shown["type"].encode())
    return shown


def test_a_complete_response_stays_as_it_is() -> None:
    given = shapes.response("upstream/model", "Hello")
    noisy = {**given, "provider": "x", "cost": 1, "usage": {**given["usage"], "cost": 1}}
    noisy["output"] = [{**given["output"][0], "provider_id": 1}]
    noisy["output"][0]["content"] = [{**given["output"][0]["content"][0], "native": 1}]
    assert whole(noisy) == {**given, "model": "alias"}


def test_a_bare_response_gets_every_key() -> None:
    shown = whole({"output": [MESSAGE, {"type": "reasoning"}, {"type": "function_call", "name": "f"}]})
    assert set(shown) == REQUIRED
    assert (shown["id"], shown["status"], shown["created_at"], shown["usage"]) == (
        "resp_1",
        "completed",
        0,
        None,
    )
    assert (shown["tool_choice"], shown["parallel_tool_calls"], shown["service_tier"]) == (
        "auto",
        True,
        "default",
    )
    assert (shown["incomplete_details"], shown["reasoning"], shown["tools"]) == (None, None, [])
    text, reasoning, call = shown["output"]
    part = {"type": "output_text", "text": "hi", "annotations": [], "logprobs": []}
    assert text == {
        "id": "msg_1_0",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }
    assert reasoning == {"id": "rs_1_1", "type": "reasoning", "summary": []}
    assert (call["id"], call["call_id"], call["arguments"], call["status"]) == (
        "fc_1_2",
        "fc_1_2",
        "{}",
        "completed",
    )


def test_functions_have_all_their_keys_and_other_tools_stay() -> None:
    function = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True, "x": 1}
    search = {"type": "web_search", "filters": None}
    shown = whole({"output": [], "tools": [function, search]})
    assert shown["tools"] == [function | {"description": None}, search]


def test_what_the_request_said_goes_before_the_default_and_after_the_answer() -> None:
    asked = {
        "temperature": 0.2,
        "instructions": "be brief",
        "tools": [{"type": "function", "name": "f"}],
        "metadata": None,
        "service_tier": "flex",
        "top_p": 0.5,
    }
    shown = whole({"output": [], "top_p": 0.9, "tool_choice": None}, asked)
    assert (shown["temperature"], shown["instructions"], shown["top_p"]) == (0.2, "be brief", 0.9)
    function = {"type": "function", "name": "f", "description": None, "parameters": None, "strict": None}
    assert (shown["tools"], shown["metadata"], shown["tool_choice"]) == ([function], {}, "auto")
    assert shown["service_tier"] == "default"


def test_nulls_within_reasoning_and_items_of_unknown_types_are_kept() -> None:
    foreign = {"type": "acme:search", "id": None, "hits": [1, {"x": None}]}
    part = {"type": "acme:chart", "svg": "<svg/>"}
    reasoning = {"effort": None, "summary": None}
    shown = whole({"reasoning": reasoning, "output": [foreign, {"type": "message", "content": [part]}]})
    assert (shown["reasoning"], shown["output"][0], shown["output"][1]["content"]) == (
        reasoning,
        foreign,
        [part],
    )


@pytest.mark.parametrize(
    "value",
    [
        *({}, [], 1, {"output": None}, {"output": {}}, {"output": [1]}, {"output": [{}]}, {"choices": []}),
        {"output": [{"type": "message"}]},
        {"output": [{"type": "message", "content": [{"type": "output_text"}]}]},
        {"output": [{"type": "message", "content": [{"type": "refusal", "refusal": None}]}]},
        {"output": [{"type": "message", "content": [{}]}]},
        {"output": [{"type": "function_call", "arguments": "{}"}]},
        {"error": {"message": "no capacity"}},
    ],
)
def test_what_is_no_answer_is_not_made_one(value: Any) -> None:
    with pytest.raises(Malformed):
        whole(value)


def test_a_failed_response_needs_no_output_and_its_error_is_masked() -> None:
    shown = whole({"status": "failed", "error": {"message": "node gpu-7 is out of memory", "code": 500}})
    assert (shown["output"], shown["error"]) == ([], {"code": "server_error", "message": "masked"})
    assert set(shown) == REQUIRED


def test_every_event_of_a_good_stream_stays_as_it_is() -> None:
    cleaner = answer()
    for sent in shapes.response_events("upstream/model", ["Hello", " you"]):
        expected = dict(sent)
        if "response" in sent:
            expected["response"] = {**sent["response"], "model": "alias"}
        noisy = {**sent, "provider": "x"}
        assert event(noisy, cleaner) == expected


def test_snapshots_in_a_stream_are_filled_in_with_one_id() -> None:
    cleaner = answer()
    created = event({"type": "response.created", "response": {}}, cleaner)
    assert set(created["response"]) == REQUIRED
    assert (created["sequence_number"], created["response"]["status"]) == (0, "in_progress")
    added = {
        "type": "response.output_item.added",
        "output_index": 3,
        "item": {"type": "function_call", "name": "f"},
    }
    item = event(added, cleaner)["item"]
    assert (item["id"], item["status"], item["arguments"]) == ("fc_1_3", "in_progress", "")
    added["item"] = {"type": "message"}
    assert event(added, cleaner)["item"]["content"] == []
    assert event({"type": "response.output_text.delta", "sequence_number": 9}, cleaner)["delta"] == ""
    done = event({"type": "response.completed", "response": {"output": [MESSAGE]}}, cleaner)
    assert (done["sequence_number"], done["response"]["status"]) == (10, "completed")
    assert done["response"]["id"] == created["response"]["id"]
    assert event({"type": "response.output_item.done", "item": None}, cleaner)["item"] is None
    odd: tuple[Any, ...] = (
        {},
        {"type": 1},
        {"type": "a\nb"},
        {"type": "response.completed", "response": {}},
        [],
    )
    for value in odd:
        with pytest.raises(Malformed):
            event(value, cleaner)


@pytest.mark.parametrize(
    "value",
    [
        {"type": "error", "message": "gpu-7", "code": "oops", "param": "x"},
        {"type": "error", "error": {"message": "gpu-7", "code": "oops"}, "sequence_number": 0},
    ],
)
def test_an_error_event_is_masked_in_both_its_forms(value: Any) -> None:
    text = answer().failure(encoded(value))
    assert text.startswith(b"event: error\ndata: ")
    error = {"code": "server_error", "message": "masked"}
    assert msgspec.json.decode(data_of(text)) == {
        "type": "error",
        "sequence_number": 0,
        **error,
        "param": None,
        "error": error,
    }


@given(OBJECTS | JSON)
def test_any_json_is_cleaned_or_refused(value: Any) -> None:
    with suppress(Malformed):
        assert REQUIRED <= set(whole(value, value)) <= REQUIRED | MORE
    with suppress(Malformed):
        assert not {"x_provider", "cost", "choices", "usage"} & set(event(value))


@given(JSON)
def test_any_item_is_cleaned_or_refused(value: Any) -> None:
    try:
        shown = whole({"output": [value]})
    except Malformed:
        return
    (item,) = shown["output"]
    if item["type"] == "message":
        assert set(item) <= {"id", "type", "status", "role", "content", "phase"}
