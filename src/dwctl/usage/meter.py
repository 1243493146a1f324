"""Token usage from what an upstream said: tolerant of every shape that providers send, never typed-or-nothing.

Understood: chat and text completions (`prompt_tokens`), Responses and Messages (`input_tokens`), embeddings
(no output), cached and reasoning details under their several names, numbers as strings, null and missing.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from dwctl.wire.sse import data_of


class Metered(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply says of itself; None where it says nothing."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    total_tokens: int | None = None
    model: str | None = None
    finish_reason: str | None = None


NOTHING = Metered()


class _Reply(msgspec.Struct):
    """The few keys that are read; everything else is skipped unparsed."""

    usage: Any = None
    model: Any = None
    choices: msgspec.Raw = msgspec.Raw(b"null")
    status: Any = None
    response: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(_Reply).decode


class _Choice(msgspec.Struct):
    finish_reason: Any = None


_decode_choices = msgspec.json.Decoder(list[_Choice] | None).decode


def of_reply(body: bytes) -> Metered:
    """From a JSON reply; a body that is no JSON object says nothing."""
    try:
        reply = _decode(body)
    except msgspec.MsgspecError:
        return NOTHING
    return _metered(reply)


def of_stream(text: bytes) -> Metered:
    """From the text of an event stream: the last event with usage, wherever the finish reason was."""
    found = NOTHING
    usage_at = text.rfind(b'"usage"')
    while usage_at >= 0:
        event = _event_around(text, usage_at)
        candidate = _of_event(event)
        if candidate.total_tokens is not None:
            found = candidate
            break
        usage_at = text.rfind(b'"usage"', 0, max(0, text.rfind(event)))
    if found.finish_reason is None:
        reason, model = _ending(text)
        found = msgspec.structs.replace(
            found, finish_reason=reason, model=found.model if found.model is not None else model
        )
    return found


def _event_around(text: bytes, place: int) -> bytes:
    """The event in which a place lies."""
    start = max(text.rfind(b"\n\n", 0, place), text.rfind(b"\n\r\n", 0, place), 0)
    ends = [end for end in (text.find(b"\n\n", place), text.find(b"\n\r\n", place)) if end >= 0]
    return text[start : min(ends) if ends else len(text)]


def _of_event(event: bytes) -> Metered:
    try:
        reply = _decode(data_of(event))
        if reply.usage is None and bytes(reply.response) != b"null":
            reply = _decode(reply.response)
    except msgspec.MsgspecError:
        return NOTHING
    return _metered(reply)


def _ending(text: bytes) -> tuple[str | None, str | None]:
    """Finish reason and model from the last event that has a finish reason."""
    place = text.rfind(b'"finish_reason":"')
    if place < 0:
        place = text.rfind(b'"finish_reason": "')
    if place < 0:
        return None, None
    metered = _of_event(_event_around(text, place))
    return metered.finish_reason, metered.model


def _metered(reply: _Reply) -> Metered:
    usage = reply.usage if isinstance(reply.usage, dict) else {}
    prompt = _number(usage, "prompt_tokens", "input_tokens")
    completion = _number(usage, "completion_tokens", "output_tokens")
    total = _number(usage, "total_tokens")
    if total is None and (prompt is not None or completion is not None):
        total = (prompt or 0) + (completion or 0)
    return Metered(
        prompt_tokens=prompt,
        completion_tokens=completion,
        reasoning_tokens=_detail(
            usage, ("completion_tokens_details", "output_tokens_details"), "reasoning_tokens"
        ),
        cached_tokens=_detail(usage, ("prompt_tokens_details", "input_tokens_details"), "cached_tokens"),
        total_tokens=total,
        model=reply.model if isinstance(reply.model, str) else None,
        finish_reason=_finish_reason(reply),
    )


def _finish_reason(reply: _Reply) -> str | None:
    try:
        choices = _decode_choices(reply.choices)
    except msgspec.MsgspecError:
        choices = None
    for choice in choices or ():
        if isinstance(choice.finish_reason, str):
            return choice.finish_reason
    return reply.status if isinstance(reply.status, str) else None


def _number(usage: dict[str, Any], *names: str) -> int | None:
    for name in names:
        value = usage.get(name)
        if isinstance(value, bool):
            continue
        if isinstance(value, int | float):
            return _sane(value)
        if isinstance(value, str):
            try:
                return _sane(float(value))
            except ValueError:
                continue
    return None


def _sane(value: float) -> int | None:
    """Token counts fit a column of 32 bits and are not negative; NaN and infinity are nonsense."""
    return int(value) if 0 <= value < 2**31 else None


def _detail(usage: dict[str, Any], groups: Iterable[str], name: str) -> int | None:
    for group in groups:
        inner = usage.get(group)
        if isinstance(inner, dict) and (found := _number(inner, name)) is not None:
            return found
    return _number(usage, name)


def has_only_usage(event: bytes) -> bool:
    """Whether a chat chunk carries usage and no choices: the extra chunk of `include_usage`."""
    try:
        reply = _decode(data_of(event))
    except msgspec.MsgspecError:
        return False
    return isinstance(reply.usage, dict) and bytes(reply.choices) == b"[]"
