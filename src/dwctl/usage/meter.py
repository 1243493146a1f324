"""Token usage from what an upstream said: tolerant of every shape that providers send, never typed-or-nothing.

Understood: chat and text completions (`prompt_tokens`), Responses and Messages (`input_tokens`), embeddings (no
output), cached and reasoning details under their several names, numbers as strings, null and missing. What a reply says
is written to a database later: texts are cut to a sane length and without zero bytes, numbers fit 32 bits.

The usual shapes are read by a typed decoder in one pass; whatever it refuses is read again key by key.
"""

from typing import Annotated, Any

import msgspec

from dwctl.wire.sse import data_of, last_events

MAX_TOKENS = 2**31 - 1
MAX_TEXT = 256
LAST_EVENTS = 16
"""How many events from the end of a stream may hold its usage, finish reason or error."""

_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Metered(msgspec.Struct, gc=False):
    """What a reply says of itself; None where it says nothing."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    total_tokens: int | None = None
    model: str | None = None
    finish_reason: str | None = None
    error: str | None = None
    """The message of an error that the reply reports, be its HTTP status 200."""


NOTHING = Metered()

_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]


class _Details(msgspec.Struct, gc=False):
    cached_tokens: _Count | None = None
    reasoning_tokens: _Count | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    total_tokens: _Count | None = None
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cached_tokens: _Count | None = None
    reasoning_tokens: _Count | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class _Reply(msgspec.Struct, gc=False):
    """The usual shape of a reply, or of a chunk; every other key is skipped unparsed."""

    usage: _Usage | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    status: str | None = None
    error: object = None
    response: msgspec.Raw = msgspec.Raw(b"")
    type: str | None = None


class _Loose(msgspec.Struct, gc=False):
    """The same keys with anything in them."""

    usage: Any = None
    model: Any = None
    choices: Any = None
    status: Any = None
    error: Any = None
    response: msgspec.Raw = msgspec.Raw(b"")
    type: Any = None
    message: Any = None


_decode = msgspec.json.Decoder(_Reply).decode
_decode_loosely = msgspec.json.Decoder(_Loose).decode


def of_reply(body: bytes) -> Metered:
    """From a JSON reply; a body that is no JSON object says nothing."""
    try:
        reply = _decode(body)
    except msgspec.ValidationError:
        return _of_loose(body)
    except _FAULTS:
        return NOTHING
    if reply.response or reply.type == "error":
        return _of_loose(body)
    model = None if reply.model is None else _text(reply.model)
    reason = _reason_of(reply)
    error = None if reply.error is None else _error_text(reply.error)
    usage = reply.usage
    if usage is None:
        return Metered(None, None, None, None, None, model, reason, error)
    prompt, completion, total = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
    if prompt is None:
        prompt = usage.input_tokens
    if completion is None:
        completion = usage.output_tokens
    if total is None:
        total = _sum(prompt, completion)
    reasoning, cached = _details_of(usage)
    return Metered(prompt, completion, reasoning, cached, total, model, reason, error)


def of_stream(text: bytes) -> Metered:
    """From the text of an event stream: usage, finish reason and error from whichever of its last events has them."""
    found = NOTHING
    for event in last_events(text, LAST_EVENTS):
        data = data_of(event)
        if data.startswith(b"{"):
            found = _merged(found, of_reply(data))
            if found.total_tokens is not None and found.finish_reason is not None:
                break
    return found


def has_only_usage(data: bytes) -> bool:
    """Whether a chunk's JSON carries usage and no choices: the extra chunk of `include_usage`."""
    try:
        reply = _decode_loosely(data)
    except _FAULTS:
        return False
    return isinstance(reply.usage, dict) and reply.choices == []


def _merged(known: Metered, earlier: Metered) -> Metered:
    """What later events said, completed by what an earlier one said; usage is taken whole from one event."""
    usage = known if known.total_tokens is not None else earlier
    return Metered(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cached_tokens=usage.cached_tokens,
        total_tokens=usage.total_tokens,
        model=known.model if known.model is not None else earlier.model,
        finish_reason=known.finish_reason if known.finish_reason is not None else earlier.finish_reason,
        error=known.error if known.error is not None else earlier.error,
    )


def _reason_of(reply: _Reply) -> str | None:
    for choice in reply.choices or ():
        if choice.finish_reason is not None:
            return _text(choice.finish_reason)
    return None if reply.status is None else _text(reply.status)


def _details_of(usage: _Usage) -> tuple[int | None, int | None]:
    """(reasoning tokens, cached tokens)."""
    if (
        usage.completion_tokens_details is None
        and usage.prompt_tokens_details is None
        and usage.output_tokens_details is None
        and usage.input_tokens_details is None
    ):
        return usage.reasoning_tokens, usage.cached_tokens
    return _detail_of(usage, "reasoning_tokens"), _detail_of(usage, "cached_tokens")


def _detail_of(usage: _Usage, name: str) -> int | None:
    for group in (
        usage.completion_tokens_details,
        usage.prompt_tokens_details,
        usage.output_tokens_details,
        usage.input_tokens_details,
    ):
        if group is not None:
            found: int | None = getattr(group, name)
            if found is not None:
                return found
    flat: int | None = getattr(usage, name)
    return flat


def _of_loose(body: bytes) -> Metered:
    try:
        reply = _decode_loosely(body)
        if reply.usage is None and reply.response:
            reply = _decode_loosely(reply.response)
    except _FAULTS:
        return NOTHING
    usage = reply.usage if isinstance(reply.usage, dict) else {}
    prompt = _number(usage, "prompt_tokens", "input_tokens")
    completion = _number(usage, "completion_tokens", "output_tokens")
    total = _number(usage, "total_tokens")
    return Metered(
        prompt_tokens=prompt,
        completion_tokens=completion,
        reasoning_tokens=_loose_detail(usage, "reasoning_tokens"),
        cached_tokens=_loose_detail(usage, "cached_tokens"),
        total_tokens=total if total is not None else _sum(prompt, completion),
        model=_text(reply.model),
        finish_reason=_loose_reason(reply),
        error=_error_text(reply.message if reply.type == "error" and not reply.error else reply.error),
    )


def _loose_reason(reply: _Loose) -> str | None:
    for choice in reply.choices if isinstance(reply.choices, list) else ():
        if isinstance(choice, dict) and isinstance(choice.get("finish_reason"), str):
            return _text(choice["finish_reason"])
    return _text(reply.status)


def _loose_detail(usage: dict[str, Any], name: str) -> int | None:
    for group in (
        "completion_tokens_details",
        "prompt_tokens_details",
        "output_tokens_details",
        "input_tokens_details",
    ):
        inner = usage.get(group)
        if isinstance(inner, dict) and (found := _number(inner, name)) is not None:
            return found
    return _number(usage, name)


def _number(usage: dict[str, Any], *names: str) -> int | None:
    for name in names:
        value = usage.get(name)
        if isinstance(value, bool):
            continue
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                continue
        if isinstance(value, int | float):
            # Neither negative nor beyond the column; NaN and infinity compare false.
            return int(value) if 0 <= value <= MAX_TOKENS else None
    return None


def _sum(prompt: int | None, completion: int | None) -> int | None:
    if prompt is None and completion is None:
        return None
    return min((prompt or 0) + (completion or 0), MAX_TOKENS)


def _text(value: object) -> str | None:
    """A text that any database takes."""
    if not isinstance(value, str):
        return None
    if len(value) <= MAX_TEXT and "\0" not in value:
        return value
    return value[:MAX_TEXT].replace("\0", "")


def _error_text(error: object) -> str | None:
    """What `error` says, in any of the shapes it comes in; None where there is none."""
    if not error:
        return None
    if isinstance(error, dict):
        error = error.get("message") or error.get("code") or error.get("type") or "an error without a message"
    return _text(error if isinstance(error, str) else "an error without a message")
