"""The input of a stored call as items: every form written out, every item with an id that no other has."""

import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.requests.items import input_items

ID = uuid.UUID("0199e1c2-0000-7000-8000-000000000001")


def items(body: Any) -> list[dict[str, Any]]:
    return input_items(ID, msgspec.json.encode(body))


def message(role: str, *content: Any, index: int = 0) -> dict[str, Any]:
    return {
        "id": f"msg_{ID}_i{index}",
        "type": "message",
        "status": "completed",
        "role": role,
        "content": list(content),
    }


def text(words: str) -> dict[str, Any]:
    return {"type": "input_text", "text": words}


def said(words: str) -> dict[str, Any]:
    return {"type": "output_text", "text": words, "annotations": [], "logprobs": []}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"input": "hello"}, [message("user", text("hello"))]),
        ({"prompt": "hello"}, [message("user", text("hello"))]),
        ({"input": ["a", "b"]}, [message("user", text("a")), message("user", text("b"), index=1)]),
        ({"input": [{"role": "developer", "content": "x"}]}, [message("developer", text("x"))]),
        ({"input": [{"role": "assistant", "content": "x"}]}, [message("assistant", said("x"))]),
        ({"messages": [{"role": "system", "content": "x"}]}, [message("system", text("x"))]),
        ({"messages": [{"role": "assistant", "content": "x"}]}, [message("assistant", said("x"))]),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "see"},
                            {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
                            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:"}},
                        ],
                    }
                ]
            },
            [
                message(
                    "user",
                    text("see"),
                    {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:"},
                )
            ],
        ),
        (
            {"messages": [{"role": "assistant", "refusal": "no"}]},
            [message("assistant", {"type": "refusal", "refusal": "no"})],
        ),
        ({}, []),
        ({"input": None}, []),
        ({"input": 7}, []),
        ({"input": [7, None, {"type": 1}]}, []),
    ],
)
def test_forms_are_written_out(body: Any, expected: list[dict[str, Any]]) -> None:
    assert items(body) == expected


def test_calls_of_tools_and_their_results() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    given = [
        {"role": "assistant", "content": "wait", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "noon"},
    ]
    found = items({"messages": given})
    assert found[0] == message("assistant", said("wait"))
    assert found[1] == {
        "id": f"fc_{ID}_i1",
        "type": "function_call",
        "status": "completed",
        "call_id": "c",
        "name": "now",
        "arguments": "{}",
    }
    assert found[2] == {
        "id": f"fco_{ID}_i2",
        "type": "function_call_output",
        "status": "completed",
        "call_id": "c",
        "output": "noon",
    }


def test_ids_that_were_given_stay_unless_another_item_has_them() -> None:
    given = [
        {"type": "message", "id": "msg_1", "role": "user", "content": "a"},
        {"type": "message", "id": "msg_1", "role": "user", "content": "b"},
        {"type": "item_reference", "id": "msg_9"},
        {"type": "acme:thing", "id": "", "value": 1},
    ]
    found = items({"input": given})
    assert [item["id"] for item in found] == ["msg_1", f"msg_{ID}_i1", "msg_9", f"item_{ID}_i3"]
    assert found[3]["value"] == 1
    assert "status" not in found[2]


def test_an_id_that_looks_like_ours_is_nobody_elses() -> None:
    given = [{"id": f"msg_{ID}_i1", "role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    first, second = items({"input": given})
    assert first["id"] == f"msg_{ID}_i1"
    assert second["id"] != first["id"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                (
                    "type",
                    "role",
                    "content",
                    "text",
                    "id",
                    "call_id",
                    "tool_calls",
                    "function",
                    "image_url",
                    "file",
                )
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(st.sampled_from(("input", "messages", "prompt")), JSON)
def test_anything_can_be_read(name: str, value: Any) -> None:
    found = items({name: value})
    ids = [item["id"] for item in found]
    assert len(set(ids)) == len(ids)
    assert all(isinstance(item["id"], str) and isinstance(item["type"], str) for item in found)
    assert found == items({name: value})


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"input":"\xff"}'])
def test_what_is_no_json(body: bytes) -> None:
    assert len(input_items(ID, body)) == (1 if b"input" in body else 0)
    assert input_items(ID, None) == []
