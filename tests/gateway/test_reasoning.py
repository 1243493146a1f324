"""Reasoning effort on its way to targets that want it said differently."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.gateway.reasoning import with_effort
from dwctl.wire.errors import Refused
from dwctl.wire.reasoning import EFFORTS, Reasoning, reasoning_of
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import House, chat, model, target

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
BUDGETS = dict(zip(EFFORTS, (0, 64, 128, 256, 512, 1024, 2048), strict=True))
SWITCH = {effort: effort != "none" for effort in EFFORTS}
SWITCHED = {
    "chat_completions": {
        "writes": [
            {"target": "/chat_template_kwargs/enable_thinking", "values": SWITCH},
            {"target": "/thinking/budget_tokens", "values": BUDGETS},
        ]
    },
    "responses": {"writes": [{"target": "/reasoning/max_tokens", "values": BUDGETS}]},
}
SAID = {
    "chat_completions": {
        "writes": [{"target": "/reasoning_effort", "values": {"low": "LOW", "high": "HIGH"}}],
        "unsupported_efforts": ["none", "minimal", "medium", "xhigh", "max"],
    }
}


def written(body: dict[str, Any], config: Any = SWITCHED, path: str = CHAT) -> Any:
    """What a target is sent."""
    return msgspec.json.decode(with_effort(msgspec.json.encode(body), reasoning_of(config), path))


def refused(
    body: dict[str, Any], config: Any = SWITCHED, path: str = CHAT
) -> tuple[int, str | None, str | None]:
    """Status, code and parameter of a refusal."""
    with pytest.raises(Refused) as caught:
        with_effort(msgspec.json.encode(body), reasoning_of(config), path)
    problem = caught.value.problem
    return problem.status, problem.code, problem.param


def test_an_effort_becomes_what_the_target_knows() -> None:
    body = {"model": "m", "reasoning_effort": "low", "max_tokens": 500, "chat_template_kwargs": {"x": 1}}
    assert written(body) == {
        "model": "m",
        "max_tokens": 500,
        "chat_template_kwargs": {"x": 1, "enable_thinking": True},
        "thinking": {"budget_tokens": 128},
    }
    assert written({"model": "m", "reasoning_effort": "high"}, SAID) == {
        "model": "m",
        "reasoning_effort": "HIGH",
    }


def test_the_responses_surface_keeps_what_else_is_said() -> None:
    body = {"model": "m", "max_output_tokens": 300, "reasoning": {"effort": "medium", "summary": "auto"}}
    assert written(body, path=RESPONSES)["reasoning"] == {"summary": "auto", "max_tokens": 256}


@pytest.mark.parametrize("path", [CHAT, RESPONSES, "/v1/completions", "/v1/embeddings"])
def test_without_an_effort_no_byte_changes(path: str) -> None:
    body = b'{ "model":"m" , "thinking":null,"reasoning" : null}'
    assert with_effort(body, reasoning_of(SWITCHED), path) == body


def test_a_surface_without_a_translation_is_left_alone() -> None:
    body = b'{"model":"m","reasoning":{"effort":"odd"}}'
    assert with_effort(body, reasoning_of(SAID), RESPONSES) == body


@pytest.mark.parametrize(
    ("body", "path", "param"),
    [
        ({"thinking": {"type": "enabled"}}, CHAT, "thinking"),
        ({"thinking_token_budget": 5}, CHAT, "thinking_token_budget"),
        ({"chat_template_kwargs": {"thinking": True}}, CHAT, "chat_template_kwargs.thinking"),
        (
            {"chat_template_kwargs": {"enable_thinking": False}},
            RESPONSES,
            "chat_template_kwargs.enable_thinking",
        ),
        ({"reasoning": {"effort": "low"}}, CHAT, "reasoning"),
        ({"reasoning_effort": "low"}, RESPONSES, "reasoning_effort"),
        ({"reasoning": {"max_tokens": 5}}, RESPONSES, "reasoning.max_tokens"),
        ({"reasoning_effort": "low"}, "/v1/completions", "reasoning_effort"),
        ({"reasoning": {}}, "/v1/completions", "reasoning"),
        ({"thinking": True}, "/v1/completions", "thinking"),
    ],
)
def test_a_targets_own_controls_are_refused(body: dict[str, Any], path: str, param: str) -> None:
    assert refused(body, path=path) == (400, "unsupported_parameter", param)


@pytest.mark.parametrize("value", ["huge", 3, True, {}, [], "x" * 100])
def test_an_effort_that_there_is_not(value: object) -> None:
    assert refused({"reasoning_effort": value}) == (400, "invalid_value", "reasoning_effort")
    body = {"reasoning": {"effort": value}}
    assert refused(body, path=RESPONSES) == (400, "invalid_value", "reasoning.effort")


def test_an_effort_that_the_target_does_not_have() -> None:
    assert refused({"reasoning_effort": "max"}, SAID) == (400, "unsupported_value", "reasoning_effort")


def test_a_budget_needs_room_in_the_answer() -> None:
    code = "reasoning_budget_requires_max_tokens"
    assert refused({"reasoning_effort": "low"}) == (422, code, "max_completion_tokens")
    none = {"reasoning": {"effort": "low"}}
    assert refused(none, path=RESPONSES) == (422, code, "max_output_tokens")
    code = "reasoning_budget_exceeds_max_tokens"
    for limit in (1, 127, 128):
        assert refused({"reasoning_effort": "low", "max_tokens": limit}) == (400, code, "max_tokens")
    assert written({"reasoning_effort": "low", "max_tokens": 129})["thinking"] == {"budget_tokens": 128}
    # No tokens of thought need no room.
    assert written({"reasoning_effort": "none"})["thinking"] == {"budget_tokens": 0}


_BODIES = st.dictionaries(
    st.sampled_from(
        ["model", "reasoning_effort", "reasoning", "thinking", "chat_template_kwargs", "max_tokens",
         "max_output_tokens", "messages"]
    ),
    st.none() | st.integers(0, 4096) | st.sampled_from([*EFFORTS, "huge"])
    | st.dictionaries(st.sampled_from(["effort", "summary", "x"]), st.sampled_from([*EFFORTS]) | st.none()),
)  # fmt: skip


@given(_BODIES, st.sampled_from([CHAT, RESPONSES, "/v1/completions"]), st.sampled_from([SWITCHED, SAID]))
def test_a_body_is_translated_or_refused_and_nothing_else_in_it_changes(
    body: dict[str, Any], path: str, config: Any
) -> None:
    translation: Reasoning = reasoning_of(config)
    data = msgspec.json.encode(body)
    status = 200
    try:
        found = msgspec.json.decode(with_effort(data, translation, path))
    except Refused as refusal:
        status, found = refusal.problem.status, body
    assert status in (200, 400, 422)
    controls = {"reasoning_effort", "reasoning", "thinking", "chat_template_kwargs"}
    for name in {*body, *found} - controls:
        assert found[name] == body[name]
    asked = body.get("reasoning_effort") if path == CHAT else (body.get("reasoning") or None)
    if asked is None:
        assert found == body


async def test_a_call_is_translated_for_its_target_alone(upstream: FakeUpstream) -> None:
    translated = msgspec.structs.replace(target(upstream.url), reasoning=reasoning_of(SAID))
    async with House(model("m", translated), model("plain", target(upstream.url))) as house:
        assert (await house.call(chat(reasoning_effort="high"))).status == 200
        assert (await house.call(chat("plain", reasoning_effort="high"))).status == 200
        assert (await house.call(chat(reasoning_effort="high", stream=True))).status == 200
        no = await house.call(chat(reasoning_effort="max"))
        assert (no.status, no.json()["error"]["code"]) == (400, "unsupported_value")
        assert len(house.ledger.started) == 3
        assert msgspec.json.decode(house.ledger.started[0][1])["reasoning_effort"] == "high"

        message = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        wise = {**message, "output_config": {"effort": "low"}}
        assert (await house.call(wise, "/ai/v1/messages")).status == 200
        too_much = {**message, "output_config": {"effort": "max"}}
        assert (await house.call(too_much, "/ai/v1/messages")).json()["error"][
            "type"
        ] == "invalid_request_error"

    sent = [post.json().get("reasoning_effort") for post in upstream.posts]
    assert sent == ["HIGH", "high", "HIGH", "LOW"]
    assert upstream.posts[2].json()["stream_options"] == {"include_usage": True}
