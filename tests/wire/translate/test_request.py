"""Responses requests as chats, and what is refused by its field."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwctl.wire.errors import Problem, Refused
from dwctl.wire.translate.request import chat_request

Json = dict[str, Any]
HI = [{"role": "user", "content": "hi"}]
WEATHER: Json = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}
NESTED = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object"}, "strict": True},
}
CALL = {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"}
CALLED = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
SCHEMA = {
    "type": "json_schema",
    "name": "n",
    "schema": {"type": "object"},
    "strict": True,
    "description": "d",
}


def chat(**fields: Any) -> Json:
    """What goes upstream."""
    made: Json = msgspec.json.decode(
        chat_request(msgspec.json.encode({"model": "m", "input": "hi", **fields}))
    )
    return made


def messages(*items: Json, **fields: Any) -> list[Json]:
    """The conversation upstream."""
    found: list[Json] = chat(input=list(items), **fields)["messages"]
    return found


def refused(body: Any) -> Problem:
    """How a request is refused."""
    with pytest.raises(Refused) as caught:
        chat_request(body if isinstance(body, bytes) else msgspec.json.encode(body))
    assert caught.value.problem.status == 400
    return caught.value.problem


def user(*parts: Json) -> Json:
    return {"role": "user", "content": list(parts)}


def test_a_text_is_a_users_message_behind_the_instructions() -> None:
    assert chat() == {"model": "m", "messages": HI}
    assert chat(instructions="Be brief.")["messages"] == [{"role": "system", "content": "Be brief."}, *HI]


def test_items_are_messages() -> None:
    thought = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Hm"}],
    }
    found = messages(
        {"role": "system", "content": "S"},
        {"role": "developer", "content": [{"type": "input_text", "text": "D"}]},
        {"type": "message", "role": "user", "content": "U", "id": "msg_1", "status": "completed"},
        thought,
        {
            "type": "message",
            "role": "assistant",
            "phase": "commentary",
            "content": [
                {"type": "output_text", "text": "A", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": "B"},
            ],
        },
        CALL,
        {**CALL, "call_id": "d"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
        {"type": "function_call_output", "call_id": "d", "output": [{"type": "input_text", "text": "2"}]},
        CALL,
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
        {"role": "user", "content": "V"},
    )
    assert found == [
        {"role": "system", "content": "S"},
        {"role": "developer", "content": "D"},
        {"role": "user", "content": "U"},
        {
            "role": "assistant",
            "content": "AB",
            "reasoning_content": "Hm",
            "tool_calls": [CALLED, {**CALLED, "id": "d"}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "tool", "tool_call_id": "d", "content": "2"},
        {"role": "assistant", "content": None, "tool_calls": [CALLED]},
        {"role": "user", "content": "V"},
    ]


def test_parts_of_a_users_message() -> None:
    parts: list[Json] = [
        {"type": "input_text", "text": "t"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
        {"type": "input_image", "image_url": "https://x/y.png"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
        {"type": "input_video", "video_url": "https://x/y.mp4"},
    ]
    assert messages(user(*parts)) == [
        user(
            {"type": "text", "text": "t"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"}},
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
            {"type": "video_url", "video_url": {"url": "https://x/y.mp4"}},
        )
    ]


def test_pictures_in_results_follow_all_of_them() -> None:
    image = {"type": "input_image", "image_url": "https://x"}
    found = messages(
        {"role": "user", "content": "u"},
        CALL,
        {**CALL, "call_id": "d"},
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [image, {"type": "input_text", "text": "1"}],
        },
        {"type": "function_call_output", "call_id": "d", "output": [image]},
    )
    shown = {"type": "image_url", "image_url": {"url": "https://x"}}
    assert found[2:] == [
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "tool", "tool_call_id": "d", "content": ""},
        user(shown, shown),
    ]


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"max_output_tokens": 20}, {"max_tokens": 20}),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"stream": False, "stream_options": {"include_obfuscation": False}}, {"stream": False}),
        ({"temperature": 0.5, "top_p": 1, "user": "u"}, {"temperature": 0.5, "top_p": 1.0, "user": "u"}),
        (
            {"presence_penalty": 1, "frequency_penalty": -1},
            {"presence_penalty": 1.0, "frequency_penalty": -1.0},
        ),
        (
            {"safety_identifier": "s", "prompt_cache_key": "k"},
            {"safety_identifier": "s", "prompt_cache_key": "k"},
        ),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, {"verbosity": "low"}),
        ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
        (
            {"text": {"format": SCHEMA}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {name: value for name, value in SCHEMA.items() if name != "type"},
                }
            },
        ),
        ({"top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"top_logprobs": 0, "include": ["message.output_text.logprobs"]}, {"logprobs": True}),
        # Said of the response, or of what a model server does not have.
        ({"metadata": {"a": "b"}, "store": False, "background": False, "truncation": "auto"}, {}),
        ({"service_tier": "auto", "max_tool_calls": 3, "include": ["reasoning.encrypted_content"]}, {}),
        # Nothing to choose among.
        ({"tools": [], "tool_choice": "auto", "parallel_tool_calls": False}, {}),
        # A model server's own.
        (
            {"top_k": 3, "stop": ["x"], "chat_template_kwargs": {"a": 1}},
            {"top_k": 3, "stop": ["x"], "chat_template_kwargs": {"a": 1}},
        ),
        ({"reasoning": {"effort": None, "x": None}}, {}),
        ({"previous_response_id": None, "conversation": None, "prompt": None, "text": None, "n": None}, {}),
    ],
)
def test_fields(asked: Json, sent: Json) -> None:
    assert chat(**asked) == {"model": "m", "messages": HI, **sent}


OTHER = {"type": "function", "name": "other"}
OTHER_NESTED = {"type": "function", "function": {"name": "other"}}


@pytest.mark.parametrize(
    ("choice", "told", "shown"),
    [
        ("required", "required", [NESTED, OTHER_NESTED]),
        (None, None, [NESTED, OTHER_NESTED]),
        (
            {"type": "function", "name": "weather"},
            {"type": "function", "function": {"name": "weather"}},
            [NESTED, OTHER_NESTED],
        ),
        ({"type": "allowed_tools", "tools": [OTHER]}, "auto", [OTHER_NESTED]),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [OTHER, WEATHER]},
            "required",
            [NESTED, OTHER_NESTED],
        ),
    ],
)
def test_tools(choice: Any, told: Any, shown: list[Json]) -> None:
    sent = chat(tools=[WEATHER, OTHER], tool_choice=choice, parallel_tool_calls=False)
    assert sent["tools"] == shown
    assert sent.get("tool_choice") == told
    assert sent["parallel_tool_calls"] is False


def test_an_empty_object_of_parameters_is_kept() -> None:
    assert chat(tools=[{"type": "function", "name": "f", "parameters": {}}])["tools"][0]["function"] == {
        "name": "f",
        "parameters": {},
    }


def test_the_model_may_be_named_elsewhere() -> None:
    assert b"model" not in chat_request(b'{"input":"hi"}')


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": []}, "input", "missing_required_parameter"),
        ({"input": 5}, "input", "invalid_type"),
        ({"input": [5]}, "input.0", "invalid_type"),
        ({"input": [{}]}, "input.0.type", "missing_required_parameter"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input.0.role", "invalid_value"),
        ({"input": [{"role": "user"}]}, "input.0.content", "missing_required_parameter"),
        ({"input": [*HI, {"type": "web_search_call", "id": "w"}]}, "input.1.type", "invalid_value"),
        ({"input": [{"type": "item_reference", "id": "m"}]}, "input.0.type", "invalid_value"),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input.0.type", "invalid_value"),
        ({"input": [{**CALL, "arguments": None}]}, "input.0.arguments", "invalid_type"),
        (
            {"input": [{"type": "function_call", "call_id": "c"}]},
            "input.0.name",
            "missing_required_parameter",
        ),
        ({"input": [{**CALL, "name": ""}]}, "input.0.name", "invalid_value"),
        (
            {"input": [{"type": "function_call_output", "output": ""}]},
            "input.0.call_id",
            "missing_required_parameter",
        ),
        ({"input": [user({"type": "input_text"})]}, "input.0.content.0.text", "missing_required_parameter"),
        ({"input": [user({"type": "thing"})]}, "input.0.content.0.type", "invalid_value"),
        (
            {"input": [user({"type": "input_image", "file_id": "f"})]},
            "input.0.content.0.file_id",
            "invalid_value",
        ),
        (
            {"input": [user({"type": "input_image"})]},
            "input.0.content.0.image_url",
            "missing_required_parameter",
        ),
        (
            {"input": [user({"type": "input_file", "file_url": "u"})]},
            "input.0.content.0.file_url",
            "invalid_value",
        ),
        (
            {"input": [user({"type": "input_file", "file_id": "f"})]},
            "input.0.content.0.file_id",
            "invalid_value",
        ),
        (
            {"input": [{"role": "assistant", "content": [{"type": "input_image", "image_url": "u"}]}]},
            "input.0.content.0.type",
            "invalid_value",
        ),
        ({"previous_response_id": "resp_1"}, "previous_response_id", "unsupported_parameter"),
        ({"conversation": "conv_1"}, "conversation", "unsupported_parameter"),
        ({"prompt": {"id": "p"}}, "prompt", "unsupported_parameter"),
        ({"context_management": []}, "context_management", "unsupported_parameter"),
        ({"messages": HI}, "messages", "unknown_parameter"),
        ({"max_tokens": 5}, "max_tokens", "unknown_parameter"),
        ({"response_format": {}}, "response_format", "unknown_parameter"),
        ({"n": 2}, "n", "unknown_parameter"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type", "invalid_value"),
        ({"tools": [NESTED]}, "tools.0.name", "missing_required_parameter"),
        ({"tools": [{**WEATHER, "name": "a b"}]}, "tools.0.name", "invalid_value"),
        ({"tools": [WEATHER, WEATHER]}, "tools.1.name", "invalid_value"),
        ({"tools": [{**WEATHER, "parameters": []}]}, "tools.0.parameters", "invalid_type"),
        ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ({"tools": [WEATHER], "tool_choice": "any"}, "tool_choice", "invalid_value"),
        ({"tools": [WEATHER], "tool_choice": {"type": "web_search"}}, "tool_choice.type", "invalid_value"),
        ({"tools": [WEATHER], "tool_choice": OTHER}, "tool_choice.name", "invalid_value"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function"}}, "tool_choice.name", "invalid_value"),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools"}},
            "tool_choice.tools",
            "invalid_value",
        ),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "tools": [WEATHER], "mode": "x"}},
            "tool_choice.mode",
            "invalid_value",
        ),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "tools": [OTHER]}},
            "tool_choice.tools.0.name",
            "invalid_value",
        ),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "tools": ["x"]}},
            "tool_choice.tools.0.type",
            "invalid_value",
        ),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type", "invalid_value"),
        (
            {"text": {"format": {"type": "json_schema", "schema": {}}}},
            "text.format.name",
            "missing_required_parameter",
        ),
        (
            {"text": {"format": {"type": "json_schema", "name": "n"}}},
            "text.format.schema",
            "missing_required_parameter",
        ),
        ({"text": {"format": {**SCHEMA, "name": "a b"}}}, "text.format.name", "invalid_value"),
        ({"include": ["thoughts"]}, "include.0", "invalid_value"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a", "invalid_value"),
        ({"metadata": {"x" * 65: ""}}, "metadata", "invalid_value"),
        ({"metadata": {str(at): "" for at in range(17)}}, "metadata", "invalid_value"),
        ({"max_output_tokens": 0}, "max_output_tokens", "invalid_value"),
        ({"max_tool_calls": "x"}, "max_tool_calls", "invalid_type"),
        ({"top_logprobs": 21}, "top_logprobs", "invalid_value"),
        ({"truncation": "never"}, "truncation", "invalid_value"),
        ({"prompt_cache_key": "x" * 65}, "prompt_cache_key", "invalid_value"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"instructions": ["x"]}, "instructions", "invalid_type"),
        ({"reasoning": {"effort": 1}}, "reasoning.effort", "invalid_type"),
        ({"stream_options": []}, "stream_options", "invalid_type"),
        ({"reasoning": {"max_tokens": 9}}, "reasoning.max_tokens", "unknown_parameter"),
        ({"text": {"format": {**SCHEMA, "x": 1}}}, "text.format.x", "unknown_parameter"),
    ],
)
def test_what_is_refused_names_its_field(fields: Json, param: str, code: str) -> None:
    problem = refused({"model": "m", "input": "hi", **fields})
    assert (problem.param, problem.code) == (param, code)
    missing = f"Missing required parameter: '{param}'."
    assert problem.message == missing or problem.message.startswith(f"Invalid '{param}': ")
    assert problem.message.endswith(".")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"input":' + b"[" * 2000])
def test_a_body_that_is_no_object(body: bytes) -> None:
    assert refused(body).message.startswith("Invalid body: ")


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "text", "name", "tools", "format", "output", "call_id", "mode"]
            ),
            inner
            | st.sampled_from(
                ["message", "user", "function", "function_call_output", "input_text", "allowed_tools"]
            ),
            max_size=4,
        )
    ),
    max_leaves=10,
)
_NAMES = [
    "input",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "include",
    "metadata",
    "instructions",
    "stream_options",
]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(_NAMES), _JSON, max_size=4))
def test_any_request_is_translated_or_refused(fields: Json) -> None:
    try:
        chat_request(msgspec.json.encode(fields))
    except Refused as refusal:
        problem = refusal.problem
    else:
        return
    assert (problem.status, bool(problem.param)) == (400, True)
