"""Where and under which names providers tell what a call used, brought into one form (decision 0030). Pure.

Slow and tolerant, for what the typed decoder of `usage/meter.py` does not know. Nothing is expected of anything:
a value that is no number, is negative, or is more than a column holds is passed over, and the next name is tried.
"""

from typing import Any

import msgspec

MAX_TOKENS = 2**31 - 1
MAX_UNLISTED = 1_000_000
"""By how much a total may exceed its parts, as thought that is counted nowhere else; beyond that it is a mistake."""
MAX_SECONDS = 10_000_000.0
MAX_DEPTH = 4

_INPUT = (
    "prompt_tokens",
    "input_tokens",
    "promptTokenCount",
    "inputTokens",
    "prompt_eval_count",
    "tokens_evaluated",
    "prompt_token_count",
)
_OUTPUT = (
    "completion_tokens",
    "output_tokens",
    "candidatesTokenCount",
    "outputTokens",
    "eval_count",
    "generated_tokens",
    "tokens_predicted",
    "candidates_token_count",
)
_TOTAL = ("total_tokens", "totalTokenCount", "totalTokens", "total_token_count")
_CACHE_READ_APART = ("cache_read_input_tokens", "cacheReadInputTokens")
_CACHE_WRITE_APART = ("cache_creation_input_tokens", "cacheWriteInputTokens")
_CACHED = (
    "cached_tokens",
    "prompt_cache_hit_tokens",
    "cachedContentTokenCount",
    "cached_content_token_count",
    "num_cached_tokens",
    *_CACHE_READ_APART,
)
_CACHE_WRITE = ("cache_write_tokens", "cache_creation_tokens", *_CACHE_WRITE_APART)
_THOUGHT_APART = ("thoughtsTokenCount", "thoughts_token_count")
_TOOLS_APART = ("toolUsePromptTokenCount", "tool_use_prompt_token_count")
_REASONING = ("reasoning_tokens", *_THOUGHT_APART)
_SECONDS = ("seconds", "prompt_audio_seconds")
_DETAILS = (
    "completion_tokens_details",
    "prompt_tokens_details",
    "output_tokens_details",
    "input_tokens_details",
    "output_token_details",
    "input_token_details",
)


class Tokens(msgspec.Struct, kw_only=True, gc=False):
    """What a call used; None where nothing was said. Where both parts are there, the total is their sum."""

    input: int | None = None
    """Of the request, those from a cache and into a cache included."""
    output: int | None = None
    """Of the answer, those of thought included."""
    total: int | None = None
    reasoning: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    seconds: float | None = None
    """Of sound, where that is what the provider counts."""


def normal(tokens: Tokens) -> Tokens:
    """The parts made consistent: total = input + output, and no part larger than what it is a part of."""
    given, made, total = tokens.input, tokens.output, tokens.total
    reasoning = tokens.reasoning
    if made is not None and reasoning is not None and reasoning > made and total is None:
        # Some count thought beside the output; where there is a total, it tells.
        made = min(made + reasoning, MAX_TOKENS)
    if total is not None:
        if given is None and made is None:
            given = total
        elif given is None and made is not None:
            given = total - made if total >= made else None
        elif given is not None and 0 < total - given - (made or 0) <= MAX_UNLISTED:
            # Others count thought in the total alone.
            made = total - given
    if given is not None or made is not None:
        total = min((given or 0) + (made or 0), MAX_TOKENS)
    cached = within(tokens.cached, given)
    return Tokens(
        input=given,
        output=made,
        total=total,
        reasoning=within(reasoning, made),
        cached=cached,
        cache_write=within(tokens.cache_write, None if given is None else given - (cached or 0)),
        seconds=tokens.seconds,
    )


def tokens_in(told: object, depth: int = MAX_DEPTH) -> Tokens | None:
    """What a reply, a chunk or an event says of its usage, wherever it does; None when it says nothing."""
    if not isinstance(told, dict) or not depth:
        return None
    for place in _places(told):
        found = _counts(place)
        if found is not None:
            return found
    for name in ("response", "message", "delta"):
        found = tokens_in(told.get(name), depth - 1)
        if found is not None:
            return found
    found = _counts(told)
    if (
        found is None
        and isinstance(told.get("text"), str)
        and (heard := seconds(told, "duration")) is not None
    ):
        # A transcription in all detail.
        found = Tokens(seconds=heard)
    return found


def _places(told: dict[Any, Any]) -> list[object]:
    """Members that may hold counts, the likeliest first."""
    places: list[object] = [
        told.get("usage"),
        told.get("usageMetadata"),
        told.get("usage_metadata"),
        _inner(told, "x_groq").get("usage"),
    ]
    choices = told.get("choices")
    if isinstance(choices, list):
        places += [choice.get("usage") for choice in choices if isinstance(choice, dict)]
    for name in ("usage", "meta"):
        # What is billed goes before what was counted.
        inner = _inner(told, name)
        places += [
            {**inner, **_inner(inner, group)} for group in ("billed_units", "tokens") if group in inner
        ]
    places.append(_from_timings(_inner(told, "timings")))
    places.append(told.get("meta_info"))
    places.append({"generated_tokens": _inner(told, "details").get("generated_tokens")})
    return places


def _from_timings(timings: dict[Any, Any]) -> object:
    """llama.cpp's: what was read anew and what a cache had, and what was written."""
    read, written = number(timings, "prompt_n"), number(timings, "predicted_n")
    if read is None and written is None:
        return None
    kept = number(timings, "cache_n")
    return {
        "prompt_tokens": None if read is None else min(read + (kept or 0), MAX_TOKENS),
        "completion_tokens": written,
        "cached_tokens": kept,
    }


def _counts(told: object) -> Tokens | None:
    """The counts of one member in the common form; None when it has none."""
    if not isinstance(told, dict):
        return None
    given, made, total = number(told, *_INPUT), number(told, *_OUTPUT), number(told, *_TOTAL)
    heard = seconds(told, *_SECONDS)
    if given is None and made is None and total is None and heard is None:
        return None
    cached, written = _detail(told, *_CACHED), _detail(told, *_CACHE_WRITE)
    reasoning = _detail(told, *_REASONING)
    if given is not None and number(told, "prompt_tokens") is None:
        # Anthropic and Bedrock count beside the input what a cache gave and took.
        apart = (number(told, *_CACHE_READ_APART) or 0) + (number(told, *_CACHE_WRITE_APART) or 0)
        apart += number(told, *_TOOLS_APART) or 0
        given = min(given + apart, MAX_TOKENS)
    if made is not None and (thought := number(told, *_THOUGHT_APART)) is not None:
        made = min(made + thought, MAX_TOKENS)
    return normal(
        Tokens(
            input=given,
            output=made,
            total=total,
            reasoning=reasoning,
            cached=cached,
            cache_write=written,
            seconds=heard,
        )
    )


def number(told: dict[Any, Any], *names: str) -> int | None:
    """The first of these members that is a count."""
    for name in names:
        value = _real(told.get(name))
        # NaN and infinity compare false.
        if value is not None and 0 <= value <= MAX_TOKENS:
            return int(value)
    return None


def seconds(told: dict[Any, Any], *names: str) -> float | None:
    """The first of these members that is a time."""
    for name in names:
        value = _real(told.get(name))
        if value is not None and 0 <= value <= MAX_SECONDS:
            return float(value)
    return None


def _real(value: object) -> int | float | None:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _detail(told: dict[Any, Any], *names: str) -> int | None:
    """A count that stands among the details, or beside them."""
    for group in _DETAILS:
        found = number(_inner(told, group), *names)
        if found is not None:
            return found
    return number(told, *names)


def _inner(told: dict[Any, Any], name: str) -> dict[Any, Any]:
    inner = told.get(name)
    return inner if isinstance(inner, dict) else {}


def within(part: int | None, whole: int | None) -> int | None:
    """A part, no larger than the whole, if that is known."""
    return part if part is None or whole is None else min(part, whole)
