"""Streams put together to what the server would have sent whole."""

from typing import Any

import msgspec

from dwctl.requests.reassemble import error_within, unstreamed


def stream(*objects: dict[str, Any], done: bool = True) -> bytes:
    """Events, one for each object."""
    lines = [b"data: " + msgspec.json.encode(each) + b"\n\n" for each in objects]
    return b"".join([b": alive\n\n", *lines, *([b"data: [DONE]\n\n"] if done else [])])


def whole(*objects: dict[str, Any]) -> Any:
    """The reply."""
    made = unstreamed(stream(*objects))
    assert made is not None
    return msgspec.json.decode(made)


def chunk(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One chunk of a chat."""
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 7,
        "model": "m",
        "choices": [*choices],
        **more,
    }


def test_a_chat_with_thoughts_calls_and_probabilities() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    made = whole(
        chunk({"index": 0, "delta": {"role": "assistant", "content": ""}}, system_fingerprint="f"),
        chunk({"index": 0, "delta": {"reasoning_content": "Hm"}}, {"index": 1, "delta": {"content": "x"}}),
        chunk({"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [1]}}),
        chunk({"index": 0, "delta": {"content": "b"}, "logprobs": {"content": [2]}}),
        chunk({"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f"}}]}}),
        chunk({"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}}),
        chunk({"index": 0, "delta": {}, "finish_reason": "stop"}),
        chunk(usage=usage),
    )
    assert made == {
        "id": "c1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "system_fingerprint": "f",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "ab",
                    "reasoning_content": "Hm",
                    "tool_calls": [
                        {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                    ],
                },
                "logprobs": {"content": [1, 2]},
                "finish_reason": "stop",
            },
            {
                "index": 1,
                "message": {"role": "assistant", "content": "x"},
                "logprobs": None,
                "finish_reason": None,
            },
        ],
        "usage": usage,
    }


def test_details_of_thoughts_go_on_by_type_and_index() -> None:
    def thought(index: int, **more: Any) -> dict[str, Any]:
        detail = {"type": "reasoning.text", "index": index, **more}
        return chunk({"index": 0, "delta": {"reasoning_details": [detail]}})

    made = whole(thought(0, text="Hm"), thought(0, text="m."), thought(1, text="Yes"), thought(1, data="x"))
    assert made["choices"][0]["message"]["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "text": "Hmm."},
        {"type": "reasoning.text", "index": 1, "text": "Yes", "data": "x"},
    ]


def test_a_plain_completion() -> None:
    def text(piece: str, **more: Any) -> dict[str, Any]:
        return {"id": "c", "object": "text_completion", "choices": [{"index": 0, "text": piece, **more}]}

    made = whole(text("a"), text("b", finish_reason="length"))
    assert made["object"] == "text_completion"
    assert made["choices"] == [{"index": 0, "text": "ab", "logprobs": None, "finish_reason": "length"}]


def test_a_response_is_the_one_in_its_last_event() -> None:
    final = {"id": "r", "output": [1]}
    made = whole(
        {"type": "response.created", "response": {}}, {"type": "response.completed", "response": final}
    )
    assert made == final


def test_what_is_no_stream_is_none() -> None:
    assert unstreamed(b"<html>") is None
    assert unstreamed(b"") is None
    assert error_within(stream(chunk())) is None


def test_the_error_of_a_stream() -> None:
    error = {"error": {"code": 503, "message": "no"}}
    assert error_within(stream(chunk(), error)) == msgspec.json.encode(error)
    failed = {"type": "response.failed", "response": {"error": {"code": "server_error"}}}
    assert error_within(stream(failed)) == msgspec.json.encode(failed["response"])
    plain = {"type": "error", "code": "x", "message": "y"}
    assert error_within(stream(plain)) == msgspec.json.encode({"error": plain})
