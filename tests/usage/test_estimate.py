"""The rule by which tokens are estimated, figure by figure."""

import base64
from typing import Any

import msgspec
import pytest

from dwctl.usage.estimate import (
    MAX_PIECES,
    MEDIA_TOKENS,
    SAMPLE,
    goes_on,
    of_bytes,
    of_reply,
    of_request,
    of_stream,
)
from dwctl.usage.shapes import MAX_TOKENS
from tests.fakes import shapes
from tests.fakes.answers import frames

PICTURE = base64.b64encode(bytes(range(256)) * 400).decode()


def stream(*events: dict[str, Any]) -> bytes:
    """Their text."""
    return b"".join(frames(events))


def delta(**said: Any) -> dict[str, Any]:
    """A chunk of a chat."""
    return {"choices": [{"index": 0, "delta": said}]}


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (2**40, MAX_TOKENS)])
def test_four_bytes_are_a_token(size: int, tokens: int) -> None:
    assert of_bytes(size) == tokens


def test_a_request_counts_by_its_bytes() -> None:
    assert of_request(b"x" * 401) == 101
    assert of_request(b"") == 0


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
        {"type": "input_audio", "input_audio": {"data": PICTURE, "format": "wav"}},
    ],
    ids=["picture", "sound"],
)
def test_what_is_no_text_in_a_request_counts_as_one_piece(part: dict[str, Any]) -> None:
    body = msgspec.json.encode({"messages": [{"role": "user", "content": [part, part]}]})
    rest = len(body) - 2 * len(PICTURE)
    assert of_request(body) == of_bytes(rest) + 2 * MEDIA_TOKENS


def test_only_so_many_pictures_are_looked_for() -> None:
    """A body that is made of nothing else takes no longer than any other."""
    small = b'{"data":""},' * MAX_PIECES
    picture = b'{"url":"data:image/png;base64,%b"}' % PICTURE.encode()
    assert of_request(small + picture) == of_bytes(len(small + picture) - len(PICTURE)) + MEDIA_TOKENS
    sound = b'{"data":"%b"}' % PICTURE.encode()
    assert of_request(small + sound) == of_bytes(len(small + sound))


def test_a_small_picture_counts_by_its_bytes_and_text_never_as_a_picture() -> None:
    small = b'{"url":"data:image/png;base64,AAAA"}'
    assert of_request(small) == of_bytes(len(small))
    words = b'{"content":"a;base64,%b"}' % (b"many words " * 1000)
    assert of_request(words) == of_bytes(len(words))


def test_an_event_is_a_token_and_four_bytes_are() -> None:
    assert of_stream(stream(*[delta(content="a")] * 7), 10) == 7
    assert of_stream(stream(delta(content="a" * 100)), 10) == 25
    assert of_stream(stream(delta(content="ÄÖ" * 10)), 10) == 10


@pytest.mark.parametrize(
    "said",
    [
        {"content": "abcd" * 3},
        {"reasoning_content": "abcd" * 3, "content": None},
        {"reasoning": "abcd" * 3, "reasoning_content": "abcd" * 3},
        {"refusal": "abcd" * 3},
        {"tool_calls": [{"index": 0, "function": {"name": "abcd", "arguments": "abcd" * 2}}]},
        {"content": [{"type": "text", "text": "abcd" * 3}]},
    ],
)
def test_whatever_a_model_says_is_text(said: dict[str, Any]) -> None:
    assert of_stream(stream(delta(**said)), 10) == 3
    assert of_reply(msgspec.json.encode({"choices": [{"message": said}]})) == 3


@pytest.mark.parametrize(
    ("event", "tokens"),
    [
        ({"type": "response.output_text.delta", "delta": "abcdefgh"}, 2),
        ({"type": "response.function_call_arguments.delta", "delta": "abcdefgh"}, 2),
        ({"type": "response.audio.delta", "delta": "abcdefgh"}, 0),
        ({"type": "response.output_text.done", "text": "abcdefgh"}, 0),
        ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "abcdefgh"}}, 2),
        ({"type": "content_block_delta", "delta": {"partial_json": "abcdefgh"}}, 2),
        ({"choices": [{"index": 0, "text": "abcdefgh"}]}, 2),
        ({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}, 0),
        ({"choices": []}, 0),
        ({"error": {"message": "no"}}, 0),
    ],
)
def test_events_of_every_protocol(event: dict[str, Any], tokens: int) -> None:
    assert of_stream(stream(event), 10) == tokens


@pytest.mark.parametrize(
    ("reply", "tokens"),
    [
        (shapes.chat_completion("m", "abcdefgh"), 2),
        (shapes.completion("m", "abcdefgh"), 2),
        (shapes.response("m", "abcdefgh"), 2),
        ({"text": "abcdefgh"}, 2),
        ({"type": "message", "content": [{"type": "text", "text": "abcdefgh"}]}, 2),
        (shapes.error("no"), 0),
        ([1], 0),
    ],
)
def test_whole_answers_of_every_protocol(reply: object, tokens: int) -> None:
    assert of_reply(msgspec.json.encode(reply)) == tokens


def test_an_answer_that_cannot_be_read_counts_by_its_bytes() -> None:
    assert of_reply(b'{"choices": [' + b"x" * 87) == 25


def test_the_end_of_a_long_stream_stands_for_all_of_it() -> None:
    event = stream(delta(content="word"))[: -len(b"data: [DONE]\n\n")]
    many = 4 * SAMPLE // len(event)
    text = event * many
    assert of_stream(text, len(text)) == pytest.approx(many, rel=0.01)
    assert of_stream(text[len(text) // 2 :], len(text)) == pytest.approx(many, rel=0.01)


def test_usage_is_final_only_when_no_text_follows_it() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
    assert not goes_on(stream(delta(content="a"), {**delta(content="b"), "usage": usage}))
    assert not goes_on(stream({"choices": [], "usage": usage}, {**delta(), "usage": None}))
    assert goes_on(stream({"choices": [], "usage": usage}, delta(content="a")))
    assert not goes_on(stream({"choices": []}))
