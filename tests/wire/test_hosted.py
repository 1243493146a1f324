"""Calls of the server's tools, opened for model servers that know nothing of them (decision 0042)."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.wire.hosted import NOT_RUN, call_item, opened
from dwctl.wire.translate.items import Conversation

Json = dict[str, Any]
USER: Json = {"type": "message", "role": "user", "content": "How is it?"}
ANSWER: Json = {"type": "message", "role": "assistant", "content": "Sunny."}


def served(name: str, output: str | None = "sun", status: str = "completed") -> Json:
    """A call of a tool of the server."""
    made = call_item(f"mcp_{name}", {"name": name, "arguments": "{}"})
    return {**made, "status": status, "output": output}


def own(name: str) -> Json:
    """A call of a function of the client."""
    return {"type": "function_call", "call_id": name, "name": name, "arguments": "{}"}


def said(name: str) -> Json:
    """What the client's function gave."""
    return {"type": "function_call_output", "call_id": name, "output": "42"}


def told(*items: Json) -> list[str]:
    """The items that a model server is shown, in short."""
    body = opened(msgspec.json.encode({"model": "m", "input": list(items)}))
    names = []
    for item in json.loads(body)["input"]:
        kind = {"function_call": "call", "function_call_output": "output"}.get(item["type"], "message")
        names.append(f"{kind} {item['call_id']}" if "call_id" in item else kind)
    return names


def test_a_call_becomes_a_call_and_its_output() -> None:
    body = msgspec.json.encode({"model": "m", "input": [USER, served("a"), ANSWER], "top_k": 3})
    assert json.loads(opened(body)) == {
        "model": "m",
        "input": [
            USER,
            {"type": "function_call", "call_id": "mcp_a", "name": "a", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "mcp_a", "output": "sun"},
            ANSWER,
        ],
        "top_k": 3,
    }


def test_one_that_was_not_run_says_so() -> None:
    body = opened(msgspec.json.encode({"input": [served("a", None, "incomplete")]}))
    assert json.loads(body)["input"][1]["output"] == NOT_RUN


def test_outputs_stand_where_a_model_server_looks_for_them() -> None:
    assert told(USER, served("a"), served("b"), ANSWER) == [
        *("message", "call mcp_a", "output mcp_a", "call mcp_b", "output mcp_b", "message")
    ]
    # What answers the client's call belongs to the turn that made it, and to all calls beside it.
    assert told(own("f"), served("a"), said("f")) == ["call f", "call mcp_a", "output mcp_a", "output f"]
    assert told(own("f"), served("a"), own("g"), served("b"), said("f"), said("g")) == [
        *("call f", "call mcp_a", "call g", "call mcp_b"),
        *("output mcp_a", "output mcp_b", "output f", "output g"),
    ]
    assert told(own("f"), served("a")) == ["call f", "call mcp_a", "output mcp_a"]


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"input":"mcp_call"}',
        b'{"input":"\\"mcp_call\\""}',
        b'{"input":7,"x":"mcp_call"}',
        b'{"input":[{"type":"mcp_call"',
        b'{"input":null,"x":"mcp_call"}',
        b'{"input":["\xff","mcp_call"]}',
    ],
)
def test_what_has_none_stays_as_it_came(body: bytes) -> None:
    assert opened(body) == body


def test_a_model_servers_own_stay_as_they_came() -> None:
    items = [{**served("a"), "server_label": "deepwiki"}, {"type": "mcp_call", "name": 7}, "mcp_call", 3]
    assert json.loads(opened(msgspec.json.encode({"input": items})))["input"] == items


rounds = st.lists(st.sampled_from(["own", "served", "message"]), max_size=8)


@given(rounds)
def test_every_chat_made_of_them_has_its_results_behind_its_calls(kinds: list[str]) -> None:
    """As the strictest servers want it: behind an answer with calls come their results, and nothing else before."""
    items: list[Json] = [USER]
    open_calls: list[str] = []
    for number, kind in enumerate([*kinds, "message"]):
        if kind == "message":
            # The client answers what is open before anything else is said.
            items += [*map(said, open_calls), USER]
            open_calls = []
        elif kind == "own":
            items.append(own(f"f{number}"))
            open_calls.append(f"f{number}")
        else:
            items.append(served(f"t{number}"))
    talk = Conversation()
    body = opened(msgspec.json.encode({"input": items}))
    for place, item in enumerate(msgspec.json.decode(body, type=dict[str, list[msgspec.Raw]])["input"]):
        talk.add(bytes(item), str(place))
    wanted: set[str] = set()
    for message in talk.end():
        if message["role"] == "tool":
            wanted.remove(message["tool_call_id"])
            continue
        assert wanted == set()
        wanted = {call["id"] for call in message.get("tool_calls", ())}
    assert wanted == set()
