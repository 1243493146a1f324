"""Whatever a provider sends, usage is read without an error, and what is read makes sense."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as some

from dwctl.usage import estimate
from dwctl.usage.meter import of_reply, of_rest, of_stream
from dwctl.usage.metered import Metered
from dwctl.usage.shapes import MAX_TOKENS
from tests.fakes.answers import frames

NAMES = [
    *("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens", "cached_tokens"),
    *("reasoning_tokens", "cache_write_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens"),
    *("cache_creation_input_tokens", "promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"),
    *("totalTokenCount", "prompt_n", "predicted_n", "cache_n", "eval_count", "seconds", "duration", "text"),
    *("prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "billed_units", "tokens"),
]
PLACES = ["usage", "usageMetadata", "x_groq", "choices", "message", "response", "delta", "meta", "timings"]
NUMBERS = some.one_of(
    some.integers(-5, 5_000),
    some.integers(MAX_TOKENS - 3, MAX_TOKENS + 3),
    some.integers(-(2**70), 2**70),
    some.floats(allow_nan=False, allow_infinity=False),
    some.sampled_from(["12", "-1", "1e3", "1e999", "nan", "many", "", "9" * 400]),
)
LEAVES = some.one_of(NUMBERS, some.none(), some.booleans(), some.text(max_size=5))


def around(inner: some.SearchStrategy[Any]) -> some.SearchStrategy[Any]:
    """Objects with names that matter, and lists."""
    names = some.sampled_from(
        [*NAMES, *PLACES, "error", "model", "type", "status", "finish_reason", "content"]
    )
    return some.one_of(some.dictionaries(names, inner, max_size=6), some.lists(inner, max_size=3))


ANYTHING = some.recursive(LEAVES, around, max_leaves=25)
REPLIES = some.one_of(
    ANYTHING,
    some.fixed_dictionaries({"usage": some.dictionaries(some.sampled_from(NAMES), NUMBERS, max_size=8)}),
    some.fixed_dictionaries(
        {"usage": some.fixed_dictionaries(dict.fromkeys(NAMES[:3], NUMBERS)), "choices": ANYTHING}
    ),
)


def check(metered: Metered) -> None:
    """What holds of every usage, whatever it was read from."""
    prompt, completion, total = metered.prompt_tokens, metered.completion_tokens, metered.total_tokens
    parts = (metered.cached_tokens, metered.cache_write_tokens, metered.reasoning_tokens)
    for count in (prompt, completion, total, *parts):
        assert count is None or (type(count) is int and 0 <= count <= MAX_TOKENS)
    if prompt is not None or completion is not None:
        assert total == min((prompt or 0) + (completion or 0), MAX_TOKENS)
    if prompt is not None:
        assert (metered.cached_tokens or 0) + (metered.cache_write_tokens or 0) <= prompt
    if completion is not None:
        assert (metered.reasoning_tokens or 0) <= completion
    assert metered.audio_seconds is None or 0 <= metered.audio_seconds < 1e9
    assert not metered.estimated


@given(REPLIES)
def test_any_json_is_read_and_what_is_read_is_consistent(reply: object) -> None:
    body = msgspec.json.encode(reply)
    check(of_reply(body))
    check(of_rest(body))
    assert 0 <= estimate.of_reply(body) <= len(body)


@given(some.binary(max_size=200))
def test_any_bytes_are_read(body: bytes) -> None:
    for text in (body, b"{" + body, b'{"usage":{"prompt_tokens":' + body):
        check(of_reply(text))
        check(of_rest(text))
        check(of_stream(b"data: " + text + b"\n\n"))
        assert 0 <= estimate.of_reply(text) <= len(text)
        assert 0 <= estimate.of_stream(text, len(text)) <= len(text) + 1
        assert estimate.of_request(text) >= 0


@given(some.lists(REPLIES, max_size=6), some.booleans())
def test_any_stream_is_read_and_what_is_read_is_consistent(events: list[Any], done: bool) -> None:
    text = b"".join(frames(events, done=done))
    check(of_stream(text))
    assert 0 <= estimate.of_stream(text, len(text)) <= len(text)
    estimate.goes_on(text)


@given(
    some.integers(0, 10**6),
    some.integers(0, 10**6),
    some.sampled_from([int, str, float, lambda number: f"{number}.0"]),
)
def test_a_plain_usage_is_what_it_says_however_it_is_written(
    prompt: int, completion: int, written: Any
) -> None:
    usage = {
        "prompt_tokens": written(prompt),
        "completion_tokens": written(completion),
        "total_tokens": written(prompt + completion),
    }
    metered = of_reply(msgspec.json.encode({"usage": usage}))
    assert (metered.prompt_tokens, metered.completion_tokens) == (prompt, completion)
    assert metered.total_tokens == prompt + completion


def test_deep_nesting_is_read_as_nothing() -> None:
    deep = b'{"response":' * 5_000 + b"1" + b"}" * 5_000
    assert of_reply(deep).total_tokens is None
    assert estimate.of_reply(deep) == estimate.of_bytes(len(deep))


def test_a_large_reply_of_an_odd_shape_is_not_walked_through() -> None:
    filler = b'"data":["%b"]' % (b"x" * 2_000_000)
    body = b'{%b,"usage":{"prompt_tokens":"7","completion_tokens":2,"total_tokens":9}}' % filler
    metered = of_reply(body)
    assert (metered.prompt_tokens, metered.completion_tokens, metered.total_tokens) == (7, 2, 9)
