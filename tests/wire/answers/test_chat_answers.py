"""Chat completions through the schema: what is kept, what is dropped, what is filled in, and what is refused."""

from typing import Any

import msgspec
import pytest
from hypothesis import given

from dwctl.wire.answers.chat import ChatAnswer
from dwctl.wire.answers.fields import Malformed
from dwctl.wire.sse import data_of
from tests.fakes import shapes
from tests.wire.answers.texts import JSON, OBJECTS, encoded

TOP = {"id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint"}
IN_CHOICE = {"index", "message", "delta", "logprobs", "finish_reason", "stop_reason"}
IN_MESSAGE = {
    *("role", "content", "refusal", "name", "annotations", "audio", "function_call", "tool_calls"),
    *("reasoning", "reasoning_content", "reasoning_details"),
}


def answer(*, strict: bool = True) -> ChatAnswer:
    """Of one call."""
    return ChatAnswer("alias", "1", strict=strict)


def whole(value: Any, *, strict: bool = True) -> Any:
    """A complete answer, cleaned."""
    return msgspec.json.decode(answer(strict=strict).whole(encoded(value)))


def chunk(value: Any, cleaner: ChatAnswer | None = None) -> Any:
    """A chunk, cleaned."""
    return msgspec.json.decode(data_of((cleaner or answer()).event(encoded(value))))


def message(**members: Any) -> Any:
    """The message that a client gets of one."""
    return whole({"choices": [{"message": members}]})["choices"][0]["message"]


@pytest.mark.parametrize("strict", [True, False])
def test_what_the_schema_knows_stays_and_what_only_the_provider_knows_goes(strict: bool) -> None:
    given = shapes.chat_completion("upstream/model", 'Grüße \u2028 "quoted" 🙂')
    noisy = {
        "provider": "x",
        **given,
        "cost": 0.1,
        "usage": {**given["usage"], "cost": 1, "cost_details": {}},
    }
    noisy["choices"] = [{**given["choices"][0], "native_finish_reason": "STOP", "stop_reason": 7}]
    shown = whole(noisy, strict=strict)
    assert shown == {**given, "model": "alias", "choices": [{**given["choices"][0], "stop_reason": 7}]}


@pytest.mark.parametrize("strict", [True, False])
def test_what_is_missing_is_filled_in(strict: bool) -> None:
    shown = whole({"choices": [{"message": {"content": "a"}}, {"message": {"content": None}}]}, strict=strict)
    first, second = shown["choices"]
    assert {name: value for name, value in shown.items() if name != "choices"} == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "alias",
    }
    assert (first["index"], first["finish_reason"], first["logprobs"]) == (0, None, None)
    assert (second["index"], second["message"]["content"]) == (1, None)
    assert first["message"] == ({"role": "assistant", "content": "a"} if strict else {"content": "a"})


@pytest.mark.parametrize(
    "value",
    [
        *([], 1, None, "text", {}, {"choices": None}, {"choices": {}}, {"choices": [1]}, {"choices": [{}]}),
        {"choices": [{"message": None}]},
        {"choices": [{"message": "hi"}]},
        {"error": {"message": "no capacity"}},
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_what_is_no_answer_is_not_made_one(value: Any, strict: bool) -> None:
    with pytest.raises(Malformed):
        whole(value, strict=strict)


@pytest.mark.parametrize(
    "members", [{}, {"role": "assistant"}, {"content": 1}, {"content": {}}, {"content": "a", "refusal": []}]
)
def test_a_text_is_never_made_up(members: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        message(**members)


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b'{"choices":[]}x', b"[" * 5000, b'"\xff"'])
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        answer().whole(body)


def test_values_of_other_types_are_replaced_where_they_matter_little() -> None:
    odd = {"id": 5, "created": "1700000000", "system_fingerprint": 1, "service_tier": None, "usage": "many"}
    shown = whole({**odd, "choices": [{"index": "x", "finish_reason": 3, "message": {"content": ""}}]})
    assert (shown["id"], shown["created"], shown["service_tier"], shown["usage"]) == (
        "chatcmpl-1",
        1_700_000_000,
        None,
        None,
    )
    assert "system_fingerprint" not in shown
    assert shown["choices"][0]["finish_reason"] is None
    assert whole({"created": 1.9, "choices": []})["created"] == 1
    for number in (-1, 2**70, True, [1]):
        assert whole({"created": number, "choices": []})["created"] == 0


def test_usage_has_all_its_counts() -> None:
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": "4",
        "prompt_tokens_details": None,
        "reasoning_tokens": 2,
    }
    shown = whole({"choices": [], "usage": usage})["usage"]
    assert shown == {
        **shapes.usage(3, 4),
        "completion_tokens_details": {
            **shapes.usage(3, 4)["completion_tokens_details"],
            "reasoning_tokens": 2,
        },
    }
    details = {"cached_tokens": 1, "x": 2}
    shown = whole({"choices": [], "usage": {**usage, "prompt_tokens_details": details, "total_tokens": 9}})[
        "usage"
    ]
    assert (shown["total_tokens"], shown["prompt_tokens_details"]) == (
        9,
        {"cached_tokens": 1, "audio_tokens": 0},
    )
    assert "usage" not in whole({"choices": []})
    assert whole({"choices": [], "usage": None})["usage"] is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"reasoning": "why"}, {"reasoning_content": "why"}),
        ({"reasoning": "why", "reasoning_content": None}, {"reasoning_content": "why"}),
        ({"reasoning": "a", "reasoning_content": "b"}, {"reasoning": "a", "reasoning_content": "b"}),
        ({"reasoning_content": "b", "reasoning_details": [{"text": "x"}]}, None),
        ({"reasoning": None}, {}),
        ({"reasoning": {"secret": 1}, "reasoning_content": [1]}, {}),
    ],
)
def test_reasoning_has_one_name(given: dict[str, Any], expected: dict[str, Any] | None) -> None:
    expected = given if expected is None else expected
    assert message(content="a", **given) == {"role": "assistant", "content": "a", **expected}
    delta = chunk({"choices": [{"delta": given}]})["choices"][0]["delta"]
    assert delta == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "{}"),
        ("", "{}"),
        ("null", "{}"),
        ({}, "{}"),
        ({"a": [1, "x"]}, '{"a":[1,"x"]}'),
        ('{"a": null}', '{"a": null}'),
        ("nullify", "nullify"),
    ],
)
def test_arguments_of_a_call_can_be_parsed(given: Any, expected: str) -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": given}, "x": 1}]
    shown = message(content=None, tool_calls=calls)
    function = {"name": "f", "arguments": expected}
    assert shown["tool_calls"] == [{"id": "c", "type": "function", "function": function}]


def test_a_call_without_arguments_id_and_type_gets_them_and_one_without_name_is_none() -> None:
    shown = message(
        tool_calls=[{"function": {"name": "f"}}, {"type": "custom", "id": "k", "custom": {"input": "x"}}]
    )
    assert shown["content"] is None
    assert shown["tool_calls"] == [
        {"id": "call_1_0_0", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "k", "type": "custom", "custom": {"input": "x"}},
    ]
    with pytest.raises(Malformed):
        message(tool_calls=[{"function": {"arguments": "{}"}}])


def test_pieces_of_arguments_make_the_whole() -> None:
    cleaner = answer()

    def piece(arguments: Any, index: int = 0) -> Any:
        delta = {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}
        (call,) = chunk({"choices": [{"delta": delta}]}, cleaner)["choices"][0]["delta"]["tool_calls"]
        assert call["index"] == index
        return call["function"]["arguments"]

    assert [piece(given) for given in ("", None, '{"a": ', "null", "}")] == ["", "", '{"a": ', "null", "}"]
    assert piece("null", 1) == "{}"
    assert piece({"b": 1}, 2) == '{"b":1}'


def test_a_stream_keeps_one_id_and_adds_no_texts() -> None:
    cleaner = answer()
    first = chunk({"choices": [{"delta": {"role": "assistant", "content": "", "x": 1}}], "y": 2}, cleaner)
    assert first == {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "alias",
        "choices": [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": ""},
                "logprobs": None,
                "finish_reason": None,
            }
        ],
    }
    last = chunk({"choices": [{}, {"finish_reason": "stop"}], "usage": None}, cleaner)
    assert [(each["index"], each["delta"]) for each in last["choices"]] == [(0, {}), (1, {})]
    assert (last["id"], last["usage"]) == (first["id"], None)
    usage = chunk({"usage": {"prompt_tokens": 1}}, cleaner)
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 1)
    odd: tuple[Any, ...] = ({}, {"type": "ping"}, [], {"choices": [{"delta": {"content": 5}}]})
    for value in odd:
        with pytest.raises(Malformed):
            chunk(value, cleaner)


@given(OBJECTS | JSON)
def test_any_json_is_cleaned_or_refused(value: Any) -> None:
    for strict, clean in (
        *((strict, answer(strict=strict).whole) for strict in (True, False)),
        *((strict, answer(strict=strict).event) for strict in (True, False)),
    ):
        try:
            shown = msgspec.json.decode(clean(encoded(value)).removeprefix(b"data: "))
        except Malformed:
            continue
        assert set(shown) <= TOP
        assert shown["model"] == "alias"
        for choice in shown["choices"]:
            assert set(choice) <= IN_CHOICE
            inner = choice.get("message", choice.get("delta"))
            assert isinstance(inner, dict)
            assert not strict or set(inner) <= IN_MESSAGE


@given(JSON)
def test_any_message_is_cleaned_or_refused(value: Any) -> None:
    for choice in ({"message": value}, {"message": {"content": "a", "tool_calls": [value]}}):
        try:
            shown = whole({"choices": [choice]})["choices"][0]["message"]
        except Malformed:
            continue
        assert set(shown) <= IN_MESSAGE
        for call in shown.get("tool_calls") or ():
            assert set(call) <= {"id", "type", "function", "custom"}
            assert set(call.get("function", ())) <= {"name", "arguments"}
