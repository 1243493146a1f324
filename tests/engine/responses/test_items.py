"""Items of stored calls."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.ids import new_uuid
from dwctl.engine.responses.items import asked_of, fault_of, input_items, output_items, response_in, shown
from dwctl.requests.record import State
from dwctl.requests.store import StoredRequest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
ITEM = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(("message", "function_call", "reasoning", "x", 7, None)),
        "id": st.text() | st.none(),
        "role": st.sampled_from(("user", "assistant", None)),
        "content": JSON,
        "tool_calls": JSON,
        "output": JSON,
    },
)


def row(asked: Any, answered: Any, path: str = "/v1/responses") -> StoredRequest:
    """A call that has ended."""
    now = datetime.now(UTC)
    return StoredRequest(
        id=new_uuid(),
        attempt=1,
        state=State.COMPLETED,
        stream=False,
        background=False,
        status_code=200,
        created_at=now,
        completed_at=now,
        owner_id=new_uuid(),
        creator_id=new_uuid(),
        path=path,
        model="m",
        service_tier="default",
        prompt_tokens=None,
        completion_tokens=None,
        reasoning_tokens=None,
        cached_tokens=None,
        cache_write_tokens=None,
        total_tokens=None,
        error_code=None,
        error_message=None,
        request=asked if isinstance(asked, bytes) else json.dumps(asked).encode(),
        response=answered if isinstance(answered, bytes) else json.dumps(answered).encode(),
    )


def read(items: list[msgspec.Raw]) -> list[Any]:
    return [msgspec.json.decode(item) for item in items]


@given(st.lists(ITEM, max_size=5), st.lists(ITEM, max_size=5))
def test_items_go_on_as_they_came_and_each_has_an_id(asked: list[Any], answered: list[Any]) -> None:
    call = row({"input": asked}, {"status": "completed", "output": answered})
    assert read(input_items(call)) == asked
    assert read(output_items(call)) == answered
    assert all(isinstance(item["id"], str) and item["status"] for item in shown(call))
    assert len(shown(call)) == len(asked) + len(answered)


@given(JSON | st.binary(), JSON | st.binary(), st.sampled_from(("/v1/responses", "/v1/chat/completions")))
def test_nothing_that_was_stored_breaks_the_reader(asked: Any, answered: Any, path: str) -> None:
    call = row(asked, answered, path)
    fault_of(call)
    asked_of(call.request)
    for item in shown(call):
        assert isinstance(item["id"], str)


@given(st.lists(ITEM, max_size=5))
def test_any_messages_of_a_chat_are_items(messages: list[Any]) -> None:
    call = row({"messages": messages}, {"choices": [{"message": {"content": "yes"}}]}, "/v1/chat/completions")
    items = read(input_items(call))
    assert all(isinstance(item, dict) and item["type"] for item in items)


def test_a_chat_with_pictures_and_files() -> None:
    parts = [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "input_audio", "input_audio": {"data": "x"}},
    ]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": None, "refusal": "No."}]
    (user, assistant) = read(input_items(row({"messages": messages}, {}, "/v1/chat/completions")))
    assert user["content"] == [
        {"type": "input_text", "text": "Look"},
        {"type": "input_image", "image_url": "data:x", "detail": "low"},
        {"type": "input_file", "file_id": "f"},
        {"type": "input_audio", "input_audio": {"data": "x"}},
    ]
    assert assistant["content"] == [{"type": "refusal", "refusal": "No."}]


@pytest.mark.parametrize("rest", ["", "_0", "_i3", "_0_1"])
def test_ids_that_were_made_here_lead_back(rest: str) -> None:
    ident = new_uuid()
    assert response_in(f"msg_{ident}{rest}") == ident
    assert response_in(f"msg_{ident}x") is None
    assert response_in("msg_0123456789abcdef") is None
