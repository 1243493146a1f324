"""What a response repeats of its request, and errors in the words of the API."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwctl.wire.errors import Problem
from dwctl.wire.translate.echo import Call, echo_of, response_object
from dwctl.wire.translate.problems import problem_of_reply, renamed
from tests.wire.open_responses import response
from tests.wire.translate.test_request import NESTED, SCHEMA, WEATHER

Json = dict[str, Any]
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "name", "format", "tools", "function", "id"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)
_NAMES = [
    *(
        "tools",
        "tool_choice",
        "text",
        "reasoning",
        "metadata",
        "instructions",
        "stream_options",
        "conversation",
    ),
    *("response_format", "max_tokens", "verbosity", "top_p"),
]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(_NAMES), _JSON))
def test_whatever_is_stored_has_all_keys_when_it_is_read(fields: Json) -> None:
    call = Call(ident="1", created_at=1, model="m")
    made = response_object(call, echo_of(msgspec.json.encode(fields)), "completed")
    assert len(made) >= 31


def test_what_is_repeated() -> None:
    asked = {
        "instructions": "Be brief.",
        "max_output_tokens": 16,
        "metadata": {"a": "b"},
        "tools": [WEATHER, {"type": "function", "name": "f"}],
        "tool_choice": {"type": "allowed_tools", "tools": [WEATHER]},
        "text": {"format": SCHEMA, "verbosity": "low"},
        "reasoning": {"effort": "low"},
        "temperature": 0,
        "parallel_tool_calls": False,
        "store": False,
        "truncation": "auto",
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "previous_response_id": "resp_0",
        "max_tool_calls": 2,
        "top_logprobs": 1,
    }
    made = response_object(
        Call(ident="1", created_at=1, model="m"), echo_of(msgspec.json.encode(asked)), "queued"
    )
    response(made)
    plain = set(asked) - {"tools", "tool_choice", "reasoning"}
    assert {name: made[name] for name in plain} == {name: asked[name] for name in plain}
    assert made["tools"] == [
        {**WEATHER, "description": None},
        {"type": "function", "name": "f", "description": None, "parameters": None, "strict": None},
    ]
    assert made["tool_choice"] == {
        "type": "allowed_tools",
        "tools": [{"type": "function", "name": "weather"}],
        "mode": "auto",
    }
    assert made["reasoning"] == {"effort": "low", "summary": None}


def test_a_chat_is_repeated_in_the_words_of_responses() -> None:
    asked = {
        "tools": [NESTED],
        "tool_choice": NESTED,
        "max_completion_tokens": 5,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
        "reasoning_effort": "low",
        "verbosity": "low",
    }
    made = response_object(
        Call(ident="1", created_at=1, model="m"), echo_of(msgspec.json.encode(asked)), "completed"
    )
    response(made)
    assert made["tools"] == [{**WEATHER, "description": None}]
    assert made["tool_choice"] == {"type": "function", "name": "weather"}
    assert (made["max_output_tokens"], made["reasoning"]["effort"]) == (5, "low")
    assert made["text"] == {
        "format": {"type": "json_schema", "name": "n", "description": None, "schema": {}, "strict": False},
        "verbosity": "low",
    }


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            400,
            b'{"error":{"message":"Invalid \'max_tokens\'","type":"x","param":"max_tokens","code":"y"}}',
            (400, "Invalid 'max_output_tokens'", "x", "max_output_tokens", "y"),
        ),
        (
            400,
            b'{"error":{"message":"too long","param":"messages[0].content","code":400}}',
            (400, "too long", "invalid_request_error", "input", None),
        ),
        (422, b'{"detail":"no"}', (422, "no", "invalid_request_error", None, None)),
        (
            500,
            b'{"object":"error","message":"no","type":"InternalServerError","param":null,"code":500}',
            (500, "no", "InternalServerError", None, None),
        ),
        (502, b"<html>", (502, "The model server failed.", "server_error", None, None)),
        (200, b'{"error":"no"}', (502, "no", "server_error", None, None)),
    ],
)
def test_errors_of_the_model_server(status: int, body: bytes, told: tuple[Any, ...]) -> None:
    problem = problem_of_reply(status, body)
    assert (problem.status, problem.message, problem.type, problem.param, problem.code) == told


def test_only_names_of_a_chat_are_renamed() -> None:
    problem = Problem(status=400, message="'model' is wrong", param="model")
    assert renamed(problem) is problem
    assert renamed(Problem(status=400, message="x")).param is None
