"""Translations of reasoning effort: what an administrator may write, and what is wrong with the rest."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.wire.reasoning import EFFORTS, reasoning_of

CHAT = "/v1/chat/completions"
SAME = {effort: effort for effort in EFFORTS}
TEMPLATE = "/chat_template_kwargs/enable_thinking"


def write(target: str = "/reasoning_effort", **values: Any) -> dict[str, Any]:
    """One write; the efforts themselves, where nothing else is said."""
    return {"target": target, "values": values or SAME}


def chat(*writes: dict[str, Any], unsupported: tuple[str, ...] = ()) -> dict[str, Any]:
    """A translation of chat completions."""
    return {"chat_completions": {"writes": list(writes), "unsupported_efforts": list(unsupported)}}


def test_every_effort_has_its_writes() -> None:
    budgets = dict(zip(EFFORTS, (0, 64, 128, 256, 512, 1024, 2048), strict=True))
    made = reasoning_of(chat(write("/thinking/budget_tokens", **budgets), write("/thinking/type", **SAME)))
    assert set(made.surfaces) == {CHAT}
    assert list(made.surfaces[CHAT]) == list(EFFORTS)
    high = made.surfaces[CHAT]["high"]
    assert high.writes == ((("thinking", "budget_tokens"), 512), (("thinking", "type"), "high"))
    assert (high.budget, made.surfaces[CHAT]["none"].budget) == (512, 0)


def test_both_surfaces_and_nothing_supported() -> None:
    made = reasoning_of({"responses": {"writes": [write("/reasoning/effort")]}, **chat(unsupported=EFFORTS)})
    assert made.surfaces[CHAT] == {}
    assert made.surfaces["/v1/responses"]["low"].writes == ((("reasoning", "effort"), "low"),)


NONE_LOW = {"none": False, "low": True}
BUT_LOW = tuple(effort for effort in EFFORTS if effort not in NONE_LOW)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "expected chat_completions or responses"),
        ([], "expected `object`, got `array`"),
        ({"chat": {}}, "object contains unknown field `chat`"),
        ({"chat_completions": {"write": []}}, "chat_completions: object contains unknown field `write`"),
        (
            {"chat_completions": {"writes": [{}]}},
            "chat_completions.writes.0: object missing required field `target`",
        ),
        (chat(write("reasoning_effort")), "chat_completions.writes.0.target: expected a JSON pointer"),
        (chat(write("/thinking/a~1b")), "chat_completions.writes.0.target: expected a JSON pointer"),
        (chat(write("/thinking/")), "chat_completions.writes.0.target: expected a JSON pointer"),
        (chat(write("/thinking")), "chat_completions.writes.0.target: expected one of"),
        (chat(write("/model")), "chat_completions.writes.0.target: expected one of"),
        (chat(write("/chat_template_kwargs/tools")), "chat_completions.writes.0.target: expected one of"),
        (
            chat(write("/thinking/a/b/c/d")),
            "chat_completions.writes.0.target: expected at most 4 segments, got 5",
        ),
        (
            chat(write("/thinking/a"), write("/thinking/a")),
            "chat_completions.writes.1.target: '/thinking/a' overlaps",
        ),
        (
            chat(write("/thinking/a"), write("/thinking/a/b")),
            "chat_completions.writes.1.target: '/thinking/a/b' over",
        ),
        (
            chat(write("/thinking/a/b"), write("/thinking/a")),
            "chat_completions.writes.1.target: '/thinking/a' over",
        ),
        (
            chat(*[write(f"/thinking/a{number}") for number in range(17)]),
            "chat_completions.writes: expected at most",
        ),
        (
            chat(write("/thinking_token_budget")),
            "chat_completions.writes.0.values.none: expected a number of tokens",
        ),
        (
            chat(write("/thinking/budget_tokens", none=-1)),
            "chat_completions.writes.0.values.none: expected a number",
        ),
        (
            chat(write("/thinking/budget_tokens", none=True)),
            "chat_completions.writes.0.values.none: expected a number",
        ),
        (
            chat(write("/thinking/budget_tokens", none=1.5)),
            "chat_completions.writes.0.values.none: expected a number",
        ),
        (chat(write("/thinking/a", none={})), "chat_completions.writes.0.values.none: expected a string"),
        (chat(write("/thinking/a", none=None)), "chat_completions.writes.0.values.none: expected a string"),
        (
            chat(write("/thinking/a", none="x" * 65)),
            "chat_completions.writes.0.values.none: expected at most 64",
        ),
        (chat(), "chat_completions.writes: expected at least one"),
        (chat(write(TEMPLATE, **NONE_LOW)), "chat_completions.writes.0.values: expected none, minimal"),
        (
            chat(write(TEMPLATE, **NONE_LOW), unsupported=(*BUT_LOW, "low")),
            "chat_completions.writes.0.values: expected",
        ),
        (chat(write(), unsupported=("max",)), "chat_completions.writes.0.values: expected none"),
        (chat(write(), unsupported=("huge",)), "chat_completions.unsupported_efforts: expected none"),
        (chat(write(), unsupported=("max", "max")), "chat_completions.unsupported_efforts: an effort"),
        (
            chat(write(), write(TEMPLATE, **NONE_LOW)),
            "chat_completions.writes.1.values: expected none, minimal, low, medium, high, xhigh, max and no others",
        ),
    ],
)
def test_what_is_wrong_is_named(config: object, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(told)}"):
        reasoning_of(config)


_TARGETS = st.sampled_from(
    [
        "/reasoning_effort",
        TEMPLATE,
        "/thinking/budget_tokens",
        "/thinking/type",
        "/thinking",
        "",
        "/x",
        "reasoning",
    ]
)
_SURFACES = st.fixed_dictionaries(
    {
        "writes": st.lists(
            st.fixed_dictionaries(
                {
                    "target": _TARGETS,
                    "values": st.dictionaries(
                        st.sampled_from([*EFFORTS, "huge"]),
                        st.integers(-1, 9) | st.text(max_size=3) | st.none(),
                    ),
                }
            ),
            max_size=3,
        ),
        "unsupported_efforts": st.lists(st.sampled_from([*EFFORTS, "huge"]), max_size=7),
    }
)


@given(_SURFACES)
def test_a_translation_covers_every_effort_once_or_is_refused(surface: dict[str, Any]) -> None:
    try:
        made = reasoning_of({"chat_completions": surface})
    except ValueError:
        return
    efforts = made.surfaces[CHAT]
    assert sorted([*efforts, *surface["unsupported_efforts"]]) == sorted(EFFORTS)
    for effort in efforts.values():
        places = [place for place, _ in effort.writes]
        assert len(places) == len(surface["writes"])
        assert not any(one != other and one == other[: len(one)] for one in places for other in places)
