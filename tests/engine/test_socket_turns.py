"""What a message over a WebSocket asks for, and what a connection remembers."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dwctl.engine.responses.socket.turns import Memory, remembers, told, turn_of

NAMES = st.sampled_from(("model", "tools", "metadata", "temperature", "text", "unknown"))
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    (None, True, 0, -1, 2**63, 0.1, "", "grüß", [], [1, {"a": None}], {"b": {"c": []}})
)


def message(**fields: Any) -> bytes:
    return json.dumps({"type": "response.create", **fields}).encode()


def event(turn_fields: dict[str, Any], memory: Memory | None, response: dict[str, Any]) -> Memory | None:
    turn = turn_of(message(**turn_fields), memory)
    return told(turn, json.dumps({"type": "response.completed", "response": response}).encode()).answered


@given(st.dictionaries(NAMES, VALUES, max_size=5))
@example({"model": None})
def test_whatever_else_a_message_says_goes_on_as_it_came(fields: dict[str, Any]) -> None:
    sent = json.loads(turn_of(message(input="hi", **fields), None).body)
    assert sent == {**fields, "input": "hi", "stream": True}


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=6))
def test_a_chain_that_is_not_stored_is_sent_whole(texts: list[str]) -> None:
    memory: Memory | None = None
    expected: list[str] = []
    for number, text in enumerate(texts):
        fields: dict[str, Any] = {"input": text, "store": False}
        if memory is not None:
            fields["previous_response_id"] = memory.response_id
        sent = json.loads(turn_of(message(**fields), memory).body)
        given_items = sent["input"]
        expected.append(text)
        seen = [given_items] if isinstance(given_items, str) else [item["content"] for item in given_items]
        assert seen == expected
        answer = {"role": "assistant", "content": f"answer {number}"}
        memory = event(fields, memory, {"id": f"resp_{number}", "output": [answer]})
        expected.append(f"answer {number}")


def test_a_stored_beginning_stays_the_servers() -> None:
    first = event(
        {"input": "b", "store": False, "previous_response_id": "resp_stored"},
        None,
        {"id": "resp_1", "output": []},
    )
    assert first is not None
    assert (first.response_id, first.base) == ("resp_1", "resp_stored")
    turn = turn_of(message(input="c", previous_response_id="resp_1"), first)
    sent = json.loads(turn.body)
    assert sent["previous_response_id"] == "resp_stored"
    assert [item["content"] for item in sent["input"]] == ["b", "c"]
    shown = told(turn, b'{"type":"response.created","response":{"id":"resp_2","previous_response_id":null}}')
    assert json.loads(shown.text)["response"]["previous_response_id"] == "resp_1"


@pytest.mark.parametrize("kind", ["response.failed", "error"])
def test_a_failure_leaves_nothing_to_go_on_from(kind: str) -> None:
    turn = turn_of(message(input="a", store=False), None)
    shown = told(turn, json.dumps({"type": kind, "response": {"id": "resp_1", "output": []}}).encode())
    assert (shown.ends, shown.failed, shown.answered) == (True, True, None)


def test_what_is_stored_is_not_remembered() -> None:
    assert event({"input": "a"}, None, {"id": "resp_1", "output": []}) is None


def test_a_memory_has_a_limit() -> None:
    memory = Memory("resp_1", None, (b"12345", b"67890"))
    assert remembers(memory, 10)
    assert not remembers(memory, 9)
