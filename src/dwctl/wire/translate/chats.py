"""What a chat completion or a chunk of one says, read tolerantly. Pure; nothing here raises."""

from typing import Any

import msgspec

from dwctl.wire.answers.fields import number
from dwctl.wire.loose import list_of, object_of, string_of

Json = dict[str, Any]
MAX_UNLISTED = 1_000_000
"""By how much a total may exceed its parts; beyond that it is a mistake."""


def thoughts_of(said: Json, between: str = "") -> str:
    """What the model thought, by any of the three names that servers have for it.

    Servers that use two of them say the same twice. `between` stands between several details.
    """
    plain = string_of(said.get("reasoning_content")) or string_of(said.get("reasoning"))
    if plain:
        return plain
    details = [
        text
        for detail in map(object_of, list_of(said.get("reasoning_details")))
        if (text := string_of(detail.get("text")) or string_of(detail.get("summary")))
    ]
    if not details:
        # Mistral's way: thoughts are parts of the content.
        parts = map(object_of, list_of(said.get("content")))
        thinking = (part.get("thinking") for part in parts if part.get("type") == "thinking")
        details = [
            "".join(string_of(object_of(each).get("text")) for each in list_of(piece)) or string_of(piece)
            for piece in thinking
        ]
    return between.join(filter(None, details))


def text_of(said: Json) -> str:
    """The answer's text."""
    content = said.get("content")
    if isinstance(content, list):
        return "".join(string_of(object_of(part).get("text")) for part in content)
    return string_of(content)


def arguments_of(function: Json) -> str:
    """A call's arguments, which some servers send as an object."""
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        return msgspec.json.encode(arguments).decode()
    return string_of(arguments)


def calls_of(said: Json) -> list[Json]:
    """The calls, of the older kind too."""
    calls = [call for call in list_of(said.get("tool_calls")) if isinstance(call, dict)]
    single = said.get("function_call")
    return calls or ([{"function": single}] if isinstance(single, dict) else [])


def logprobs_of(choice: Json) -> list[Any]:
    """Log probabilities of the text's tokens."""
    return list_of(object_of(choice.get("logprobs")).get("content"))


def annotations_of(said: Json) -> list[Json]:
    """Citations, flat as a Responses object has them."""
    found: list[Json] = []
    for annotation in list_of(said.get("annotations")):
        given = object_of(annotation)
        inner = object_of(given.get(str(given.get("type"))))
        if given:
            found.append({"type": given.get("type"), **inner} if inner else given)
    return found


def usage_of(told: object) -> Json | None:
    """Token counts, all of them; None where nothing was counted."""
    counts = object_of(told)
    if not counts:
        return None
    asked = object_of(counts.get("prompt_tokens_details"))
    made = object_of(counts.get("completion_tokens_details"))
    given = number(counts.get("prompt_tokens"))
    written = number(counts.get("completion_tokens"))
    unlisted = number(counts.get("total_tokens")) - given - written
    if 0 < unlisted <= MAX_UNLISTED:
        # Some count thought in the total alone; the row does so too.
        written += unlisted
    cached = _first(
        asked.get("cached_tokens"), counts.get("cached_tokens"), counts.get("prompt_cache_hit_tokens")
    )
    stored = _first(asked.get("cache_write_tokens"), asked.get("cache_creation_tokens"))
    thought = _first(made.get("reasoning_tokens"), counts.get("reasoning_tokens"))
    return counted(given, min(cached, given), min(stored, given), written, min(thought, written))


def counted(given: int, cached: int, stored: int, written: int, thought: int) -> Json:
    """The object."""
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": stored},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": given + written,
    }


def _first(*values: object) -> int:
    return next((found for value in values if (found := number(value))), 0)
