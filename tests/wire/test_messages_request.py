"""Requests of the Messages API, as the chat completions they become."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.wire.errors import Refused
from dwctl.wire.messages.request import chat_request

TOOL = {"name": "weather", "description": "Of a city.", "input_schema": {"type": "object", "properties": {}}}
USER = {"role": "user", "content": "hi"}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}}


def translated(**fields: Any) -> Any:
    """The chat request of a message request with these fields."""
    body = {"model": "m", "max_tokens": 16, "messages": [USER], **fields}
    return msgspec.json.decode(msgspec.json.encode(chat_request(msgspec.json.encode(body))))


def refused(body: Any) -> tuple[str, str | None]:
    """What is said of a bad one: message and field."""
    with pytest.raises(Refused) as caught:
        chat_request(body if isinstance(body, bytes) else msgspec.json.encode(body))
    assert caught.value.problem.status == 400
    return caught.value.problem.message, caught.value.problem.param


def test_the_least_request() -> None:
    assert translated() == {"model": "m", "max_tokens": 16, "messages": [USER]}


def test_every_parameter_has_its_counterpart() -> None:
    assert translated(
        system=[
            {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Be kind."},
        ],
        stop_sequences=["END"],
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        metadata={"user_id": "u1"},
        tools=[TOOL],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        thinking={"type": "enabled", "budget_tokens": 2048},
        stream=True,
        service_tier="auto",
    ) == {
        "model": "m",
        "max_tokens": 16,
        "messages": [{"role": "system", "content": "Be brief.\nBe kind."}, USER],
        "stop": ["END"],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "user": "u1",
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "weather",
                    "description": "Of a city.",
                    "parameters": {"type": "object", "properties": {}},
                },
            }
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "weather"}, {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_the_choice_of_a_tool(asked: dict[str, str], given: Any) -> None:
    assert translated(tools=[TOOL], tool_choice=asked)["tool_choice"] == given
    assert "tool_choice" not in translated(tool_choice=asked)


@pytest.mark.parametrize(
    ("fields", "effort"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 31999}}, "high"),
        ({"thinking": {"type": "disabled"}}, None),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}, "xhigh"),
    ],
)
def test_thinking_becomes_an_effort(fields: dict[str, Any], effort: str | None) -> None:
    assert translated(**fields).get("reasoning_effort") == effort


def test_a_schema_for_the_answer() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    found = translated(output_config={"format": {"type": "json_schema", "schema": schema}})
    assert found["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": schema, "strict": True},
    }


def test_pictures_and_documents() -> None:
    by_url = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    packed = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
    pdf = {"type": "document", "title": "a.pdf", "source": packed}
    plain = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "told"}}
    content = [{"type": "text", "text": "see"}, PNG, by_url, pdf, plain]
    assert translated(messages=[{"role": "user", "content": content}])["messages"][0]["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
        {"type": "text", "text": "told"},
    ]


def called(ident: str, arguments: str) -> Any:
    """A call in a chat request."""
    return {"id": ident, "type": "function", "function": {"name": "weather", "arguments": arguments}}


def block(kind: str, **fields: Any) -> Any:
    """One message with one block."""
    role = "assistant" if kind == "tool_use" else "user"
    return [{"role": role, "content": [{"type": kind, **fields}]}]


def test_a_tool_is_called_and_answers() -> None:
    said = [
        {"type": "thinking", "thinking": "I should look.", "signature": ""},
        {"type": "redacted_thinking", "data": "xx"},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Genève", "n": 1.0}},
        {"type": "tool_use", "id": "t2", "name": "weather", "input": {}},
    ]
    results = [
        {"type": "text", "text": "There:"},
        {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "rain"}, PNG]},
        {"type": "tool_result", "tool_use_id": "t2", "content": "sun", "is_error": False},
    ]
    found = translated(
        tools=[TOOL],
        messages=[USER, {"role": "assistant", "content": said}, {"role": "user", "content": results}],
    )
    assert found["messages"][1:] == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "reasoning_content": "I should look.",
            "tool_calls": [
                called("t1", '{"city":"Genève","n":1.0}'),
                called("t2", "{}"),
            ],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "rain"},
        {"role": "tool", "tool_call_id": "t2", "content": "sun"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "There:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
            ],
        },
    ]  # fmt: skip


def test_thoughts_of_a_finished_turn_stay_behind() -> None:
    said = [{"type": "thinking", "thinking": "Hm.", "signature": ""}, {"type": "text", "text": "Yes."}]
    messages = [USER, {"role": "assistant", "content": said}, USER]
    assert translated(messages=messages)["messages"][1] == {"role": "assistant", "content": "Yes."}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [USER, {"role": "user"}]}, "messages.1.content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages.0.content.0.type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        (
            {"messages": block("image", source={"type": "file", "file_id": "f"})},
            "messages.0.content.0.source.type",
        ),
        (
            {"messages": block("tool_use", id="a", name="b", input=[])},
            "messages.0.content.0.input",
        ),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0.type"),
        ({"tools": [{"name": "a"}]}, "tools.0.input_schema"),
        ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "all"}}, "tool_choice.type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"system": [{"type": "image"}]}, "system.0.type"),
        ({"temperature": "warm"}, "temperature"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(change: dict[str, Any], param: str) -> None:
    message, named = refused({"model": "m", "max_tokens": 16, "messages": [USER], **change})
    assert named == param
    assert message.startswith(f"{param}: ")


def test_a_missing_field_is_named() -> None:
    assert refused({"model": "m", "messages": [USER]}) == ("max_tokens: field required", "max_tokens")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b'{"model":"\xff"}', b"[" * 5000])
def test_no_request_at_all(body: bytes) -> None:
    message, named = refused(body)
    assert message.startswith("body: ")
    assert named is None


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.sampled_from(["user", "assistant", "text", "image", "tool_use", "tool_result", "base64", "thinking"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "role", "content", "text", "source", "id", "name", "input", "tool_use_id", "data"]),
        inner, max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(["messages", "system", "tools", "tool_choice", "thinking", "stop"]), _VALUES
    )
)
def test_any_request_is_translated_or_refused(fields: dict[str, Any]) -> None:
    try:
        body = msgspec.json.encode({"model": "m", "max_tokens": 1, "messages": [USER], **fields})
    except (OverflowError, ValueError):
        return
    status = 400
    try:
        msgspec.json.encode(chat_request(body))
    except Refused as refusal:
        status = refusal.problem.status
    assert status == 400
