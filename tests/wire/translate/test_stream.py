"""Streams and whole replies of chat completions, as the responses they become."""

from typing import Any

import msgspec
import pytest

from dwctl.wire.errors import Problem
from dwctl.wire.translate.echo import Call, echo_of
from dwctl.wire.translate.reply import response_of, response_of_chat
from dwctl.wire.translate.stream import Ended, ResponseStream
from tests.wire.open_responses import rebuilt, response, told

Json = dict[str, Any]
CALL = Call(ident="1", created_at=7, model="m")
USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
COUNTED = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 15,
}


def chunk(delta: Json | None = None, finish: str | None = None, **more: Any) -> Json:
    """One chunk of a chat completion."""
    return {"id": "c", "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more}


def call(index: int | None, arguments: str = "", **more: Any) -> Json:
    """A piece of a call."""
    name = more.pop("name", None)
    function = {"arguments": arguments, **({"name": name} if name else {})}
    place = {} if index is None else {"index": index}
    return chunk({"tool_calls": [{**place, "function": function, **more}]})


def streamed(*chunks: Json, done: bool = True, asked: Json | None = None) -> list[Json]:
    """All events for these chunks, checked against the schema."""
    stream = ResponseStream(CALL, echo_of(msgspec.json.encode(asked or {})), lambda: Ended(9))
    out = b"".join([stream.feed(msgspec.json.encode(each)) for each in chunks])
    out += stream.feed(b"[DONE]") if done else b""
    return told(out + stream.end())


def whole(
    message: Json, finish: str | None = "stop", asked: Json | None = None, **choice: Any
) -> dict[str, Any]:
    """The response for a whole completion, checked."""
    reply = {"choices": [{"index": 0, "message": message, "finish_reason": finish, **choice}], "usage": USAGE}
    made = response_of_chat(reply, CALL, echo_of(msgspec.json.encode(asked or {})), 9)
    assert made is not None
    response(made)
    return made


def types(found: list[Json]) -> list[str]:
    """Their types, without the prefix; deltas in a row count as one."""
    names = [event["type"].removeprefix("response.") for event in found]
    return [name for at, name in enumerate(names) if at == 0 or name != names[at - 1]]


def test_one_text() -> None:
    found = streamed(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hé"}),
        chunk({"content": "llo"}),
        chunk(finish="stop"),
        {"choices": [], "usage": USAGE},
    )
    assert types(found) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    last = found[-1]["response"]
    assert (last["status"], last["usage"], last["completed_at"]) == ("completed", COUNTED, 9)
    assert last["output"] == rebuilt(found) == whole({"content": "Héllo"})["output"]
    assert found[0]["response"]["status"] == found[1]["response"]["status"] == "in_progress"
    assert found[0]["response"]["output"] == []


@pytest.mark.parametrize("summarised", [False, True])
@pytest.mark.parametrize(
    "delta",
    [
        lambda text: {"reasoning_content": text},
        lambda text: {"reasoning": text},
        lambda text: {"reasoning": text, "reasoning_content": text},
        lambda text: {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": text}]},
        lambda text: {"reasoning": text, "reasoning_details": [{"type": "reasoning.text", "text": text}]},
    ],
)
def test_thoughts_come_first(delta: Any, summarised: bool) -> None:
    asked = {"reasoning": {"effort": "low", "summary": "auto"}} if summarised else {}
    found = streamed(
        chunk(delta("Hm")), chunk(delta("m.")), chunk({"content": "Yes"}), chunk(finish="stop"), asked=asked
    )
    middle = (
        [
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
        ]
        if summarised
        else ["content_part.added", "reasoning_text.delta", "reasoning_text.done", "content_part.done"]
    )
    assert types(found)[2:9] == ["output_item.added", *middle, "output_item.done", "output_item.added"]
    thought, message = found[-1]["response"]["output"]
    part = {"type": "summary_text" if summarised else "reasoning_text", "text": "Hmm."}
    assert thought["summary"] == ([part] if summarised else [])
    assert summarised or thought["content"] == [part]
    assert message["content"][0]["text"] == "Yes"
    made = whole({**delta("Hmm."), "content": "Yes"}, asked=asked)
    assert made["output"] == rebuilt(found) == found[-1]["response"]["output"]


def test_thoughts_between_texts_are_items_of_their_own() -> None:
    found = streamed(
        chunk({"reasoning": "a"}), chunk({"content": "b"}), chunk({"reasoning": "c"}), chunk({"content": "d"}),
        chunk(finish="stop"),
    )  # fmt: skip
    assert [item["type"] for item in rebuilt(found)] == ["reasoning", "message", "reasoning", "message"]
    assert len({item["id"] for item in rebuilt(found)}) == 4


def test_calls_side_by_side() -> None:
    found = streamed(
        call(0, id="t0", name="weather"),
        call(0, '{"city":'),
        call(1, '{"a":1', id="t1", name="time"),
        call(0, '"Rome"}'),
        call(1, "}"),
        chunk(finish="tool_calls"),
    )
    added = [event["item"] for event in found if event["type"] == "response.output_item.added"]
    assert [(item["call_id"], item["name"], item["arguments"]) for item in added] == [
        ("t0", "weather", ""),
        ("t1", "time", ""),
    ]
    first, second = rebuilt(found)
    assert (first["arguments"], second["arguments"]) == ('{"city":"Rome"}', '{"a":1}')
    assert found[-1]["response"]["status"] == "completed"
    made = whole(
        {
            "content": None,
            "tool_calls": [
                {
                    "id": "t0",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city":"Rome"}'},
                },
                {"id": "t1", "type": "function", "function": {"name": "time", "arguments": '{"a":1}'}},
            ],
        },
        "tool_calls",
    )
    assert made["output"] == [first, second]


@pytest.mark.parametrize(
    "pieces",
    [
        # The name comes after the id, in two pieces, and arguments after it.
        [call(0, id="t"), call(0, name="wea"), call(0, name="ther"), call(0, "{}")],
        # The id comes last.
        [call(0, name="weather"), call(0, "{"), call(0, "}", id="t")],
        # Everything at once, without an index.
        [call(None, "{}", id="t", name="weather")],
        [call(None, "{", id="t", name="weather"), call(None, "}")],
        # Another id with each chunk, as old servers have it.
        [call(0, "{", id="t", name="weather"), call(0, "}", id="u")],
        # No arguments at all.
        [call(0, id="t", name="weather")],
        # An object in place of its text.
        [chunk({"tool_calls": [{"index": 0, "id": "t", "function": {"name": "weather", "arguments": {}}}]})],
    ],
)
def test_a_call_is_known_before_it_is_told(pieces: list[Json]) -> None:
    found = streamed(*pieces, chunk(finish="tool_calls"))
    (added,) = [event["item"] for event in found if event["type"] == "response.output_item.added"]
    assert (added["call_id"], added["name"]) == ("t", "weather")
    (item,) = rebuilt(found)
    assert item["arguments"] == "{}"


def test_calls_with_one_index_are_told_apart_by_their_ids() -> None:
    found = streamed(
        call(0, "{}", id="a", name="f"), call(0, "[]", id="b", name="g"), chunk(finish="tool_calls")
    )
    assert [(item["call_id"], item["name"], item["arguments"]) for item in rebuilt(found)] == [
        ("a", "f", "{}"),
        ("b", "g", "[]"),
    ]


def test_a_call_without_an_id_gets_one() -> None:
    (item,) = rebuilt(streamed(call(0, "{}", name="f"), chunk(finish="tool_calls")))
    assert item["call_id"] == "call_1_0"


def test_the_older_kind_of_call() -> None:
    found = streamed(
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": "{}"}}),
        chunk(finish="function_call"),
    )
    assert rebuilt(found) == whole({"function_call": {"name": "f", "arguments": "{}"}})["output"]


TOOLS = [{"type": "function", "name": name} for name in ("f", "g")]
LIMITED = {
    "tools": TOOLS,
    "tool_choice": {"type": "allowed_tools", "tools": [{"type": "function", "name": "g"}], "mode": "auto"},
}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (LIMITED, ["g"]),
        ({"tools": TOOLS, "tool_choice": "none"}, []),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "name": "g"}}, ["f", "g"]),
        ({"tools": TOOLS}, ["f", "g"]),
    ],
)
def test_a_call_that_is_forbidden_is_not_told(asked: Json, names: list[str]) -> None:
    found = streamed(
        call(0, "{}", id="a", name="f"), call(1, "{}", id="b", name="g"), chunk(finish="stop"), asked=asked
    )
    calls = [item["name"] for item in rebuilt(found) if item["type"] == "function_call"]
    assert calls == names
    assert [tool["name"] for tool in found[-1]["response"]["tools"]] == ["f", "g"]
    made = whole(
        {"tool_calls": [{"id": x, "function": {"name": y, "arguments": "{}"}} for x, y in ("af", "bg")]},
        asked=asked,
    )
    assert made["output"] == rebuilt(found)


def test_a_refusal() -> None:
    found = streamed(chunk({"refusal": "I ca"}), chunk({"refusal": "n't."}), chunk(finish="stop"))
    (item,) = rebuilt(found)
    assert item["content"] == [{"type": "refusal", "refusal": "I can't."}]
    assert "refusal.delta" in types(found)
    assert whole({"content": None, "refusal": "I can't."})["output"] == [item]


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("function_call", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        ("eos", "completed", None),
        (None, "completed", None),
    ],
)
def test_reasons_of_the_end(finish: str | None, status: str, reason: str | None) -> None:
    message = {
        "reasoning": "Hm",
        "content": "x",
        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}],
    }
    made = whole(message, finish)
    assert (made["status"], made["completed_at"]) == (status, 9 if reason is None else None)
    assert made["incomplete_details"] == (None if reason is None else {"reason": reason})
    # Only the last item may be incomplete.
    assert [item["status"] for item in made["output"]] == ["completed", "completed", status]
    found = streamed(
        chunk({"reasoning": "Hm"}),
        chunk({"content": "x"}),
        call(0, "{", id="a", name="f"),
        chunk(finish=finish),
    )
    assert found[-1]["type"] == f"response.{status}"
    assert found[-1]["response"]["output"] == rebuilt(found) == made["output"]


def test_an_empty_answer_is_an_empty_message() -> None:
    found = streamed(chunk({"role": "assistant", "content": ""}), chunk(finish="stop"))
    (item,) = rebuilt(found)
    assert item["content"][0]["text"] == ""
    assert whole({"content": ""})["output"] == whole({"content": None})["output"] == [item]


def test_only_thoughts_make_no_message() -> None:
    assert [item["type"] for item in whole({"reasoning": "Hm", "content": None}, "length")["output"]] == [
        "reasoning"
    ]


def test_log_probabilities_and_citations() -> None:
    token = {"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}
    cited = {"type": "url_citation", "url_citation": {"url": "https://x", "title": "X", "start_index": 0}}
    shown = {"type": "url_citation", "url": "https://x", "title": "X", "start_index": 0}
    one = chunk({"content": "a"})
    one["choices"][0]["logprobs"] = {"content": [token]}
    found = streamed(one, chunk({"annotations": [cited]}), chunk(finish="stop"))
    (item,) = rebuilt(found)
    assert (item["content"][0]["logprobs"], item["content"][0]["annotations"]) == ([token], [shown])
    made = whole({"content": "a", "annotations": [cited]}, logprobs={"content": [token]})
    assert made["output"] == [item]


def test_parts_of_a_servers_own_kind() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
    made = whole({"content": [thought, {"type": "text", "text": "Yes"}]})
    assert [item["type"] for item in made["output"]] == ["reasoning", "message"]
    assert made["output"][1]["content"][0]["text"] == "Yes"


def test_lengths_are_hidden_when_asked() -> None:
    found = streamed(
        chunk({"content": "Hello"}),
        chunk(finish="stop"),
        asked={"stream_options": {"include_obfuscation": True}},
    )
    (delta,) = [event for event in found if event["type"] == "response.output_text.delta"]
    assert (len(delta["delta"]) + len(delta["obfuscation"])) % 16 == 0


def test_a_failure_behind_the_beginning() -> None:
    error = {"error": {"message": "out of memory", "code": 500}}
    found = streamed(chunk({"content": "x"}), error, done=False)
    assert types(found)[-1] == "failed"
    assert found[-1]["response"]["error"] == {"code": "server_error", "message": "out of memory"}
    assert found[-1]["response"]["status"] == "failed"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "slow down", "code": 429}, "rate_limit_exceeded"),
        ({"message": "slow down", "type": "rate_limit_error"}, "rate_limit_exceeded"),
        ("slow down", "server_error"),
    ],
)
def test_a_failure_before_the_beginning(error: Any, code: str) -> None:
    (event,) = streamed({"error": error}, done=False)
    assert (event["type"], event["message"], event["error"]["message"]) == ("error", "slow down", "slow down")
    assert event["code"] == event["error"]["code"] == code


def test_a_stream_without_an_end_failed() -> None:
    found = streamed(chunk({"content": "x"}), done=False)
    assert found[-1]["type"] == "response.failed"
    assert "before the answer was complete" in found[-1]["response"]["error"]["message"]
    assert streamed(chunk({"content": "x"}, "stop"), done=False)[-1]["type"] == "response.completed"
    assert streamed(chunk({"content": "x"}))[-1]["type"] == "response.completed"
    stream = ResponseStream(CALL, echo_of(b"{}"), lambda: Ended(9))
    failed = stream.fail(Problem(status=504, message="late", type="server_error"))
    assert told(failed)[0]["type"] == "error"
    assert stream.feed(b"[DONE]") == stream.end() == stream.fail(Problem(status=500, message="")) == b""


def test_usage_of_the_row_stands_in_where_none_was_told() -> None:
    stream = ResponseStream(CALL, echo_of(b"{}"), lambda: Ended(9, COUNTED))
    out = stream.feed(msgspec.json.encode(chunk({"content": "x"}, "stop"))) + stream.feed(b"[DONE]")
    assert told(out)[-1]["response"]["usage"] == COUNTED


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4}, (3, 4, 7, 0, 0)),
        (
            {"prompt_tokens": 3, "completion_tokens": 4, "cached_tokens": 9, "reasoning_tokens": 9},
            (3, 4, 7, 3, 4),
        ),
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 9}, (3, 6, 9, 0, 0)),
        ({"prompt_tokens": -1, "completion_tokens": "x", "prompt_tokens_details": 1}, (0, 0, 0, 0, 0)),
    ],
)
def test_usage(usage: Json, counts: tuple[int, ...]) -> None:
    reply = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": usage}
    made = response_of(msgspec.json.encode(reply), CALL, echo_of(b"{}"), 9)
    assert made is not None
    told_usage = made["usage"]
    assert counts == (
        told_usage["input_tokens"],
        told_usage["output_tokens"],
        told_usage["total_tokens"],
        told_usage["input_tokens_details"]["cached_tokens"],
        told_usage["output_tokens_details"]["reasoning_tokens"],
    )


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[1]}', b"\xff"])
def test_what_is_no_completion_is_no_response(body: bytes) -> None:
    assert response_of(body, CALL, echo_of(b"{}"), 9) is None
