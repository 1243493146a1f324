"""Token counts in the public shapes: all members there, zero where an upstream says nothing. Pure."""

from typing import Any

import msgspec

from dwctl.wire.answers.fields import FAULTS, Kept, number, starts

Counts = dict[str, object]
_NONE: dict[str, Any] = {}
_read = msgspec.json.Decoder().decode


def of_chat(raw: Kept) -> Counts | None:
    """Usage of chat and text completions; None where there is none.

    Counts that some servers write beside the details count as details.
    """
    found = _members(raw)
    if found is None:
        return None
    prompt = number(found.get("prompt_tokens"))
    completion = number(found.get("completion_tokens"))
    asked = _inner(found, "prompt_tokens_details")
    made = _inner(found, "completion_tokens_details")
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": number(found.get("total_tokens"), prompt + completion),
        "prompt_tokens_details": {
            "cached_tokens": number(asked.get("cached_tokens", found.get("cached_tokens"))),
            "audio_tokens": number(asked.get("audio_tokens")),
        },
        "completion_tokens_details": {
            "reasoning_tokens": number(made.get("reasoning_tokens", found.get("reasoning_tokens"))),
            "audio_tokens": number(made.get("audio_tokens")),
            "accepted_prediction_tokens": number(made.get("accepted_prediction_tokens")),
            "rejected_prediction_tokens": number(made.get("rejected_prediction_tokens")),
        },
    }


def of_embeddings(raw: Kept) -> Counts:
    """Usage of embeddings, which is always there."""
    found = _members(raw) or _NONE
    prompt = number(found.get("prompt_tokens"))
    return {"prompt_tokens": prompt, "total_tokens": number(found.get("total_tokens"), prompt)}


def of_response(raw: Kept | None) -> Counts | None:
    """Usage of a Responses object; None where there is none."""
    found = _members(raw)
    if found is None:
        return None
    given = number(found.get("input_tokens"))
    made = number(found.get("output_tokens"))
    inputs = _inner(found, "input_tokens_details")
    return {
        "input_tokens": given,
        "input_tokens_details": {
            "cached_tokens": number(inputs.get("cached_tokens")),
            "cache_write_tokens": number(inputs.get("cache_write_tokens")),
        },
        "output_tokens": made,
        "output_tokens_details": {
            "reasoning_tokens": number(_inner(found, "output_tokens_details").get("reasoning_tokens"))
        },
        "total_tokens": number(found.get("total_tokens"), given + made),
    }


def _members(raw: Kept | None) -> dict[str, Any] | None:
    if not starts(raw, b"{"):
        return None
    try:
        found = _read(raw)
    except FAULTS:
        return None
    return found if isinstance(found, dict) else None


def _inner(found: dict[str, Any], name: str) -> dict[str, Any]:
    inner = found.get(name)
    return inner if isinstance(inner, dict) else _NONE
