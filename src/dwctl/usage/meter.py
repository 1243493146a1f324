"""Token usage from what an upstream said: tolerant of every shape that providers send, never typed-or-nothing.

The usual shapes, chat and text completions and Responses with a total, are read by a typed decoder in one pass.
Whatever it refuses, does not find, or finds inconsistent is read again key by key (`usage/shapes.py`, decision 0030).
What a reply says is written to a database later: texts are cut to a sane length and without zero bytes, numbers fit
32 bits.
"""

from typing import Any, Final

import msgspec

from dwctl.usage import metered
from dwctl.usage.metered import Metered, NamedReply, UsualChunk, UsualReply, UsualUsage
from dwctl.usage.shapes import Tokens, normal, tokens_in
from dwctl.wire.sse import data_of, events, last_events

# Compiled code has the constants of its own modules at hand, and looks up those of others each time.
NOTHING: Final = metered.NOTHING
_as_metered: Final = Metered
MAX_TEXT: Final = 256
LAST_EVENTS = 16
"""How many events from the end of a stream may hold its usage, finish reason or error."""
FIRST_EVENTS = 4
"""How many from its beginning are looked at when the end does not tell all."""
OPENING = 64 * 1024
"""How far these may reach."""
MAX_WALKED = 1024 * 1024
"""A larger reply is not read key by key, which would hold up others."""
MAX_ENDS = 16
"""Closing braces behind the word `usage` that are tried in the rest of a reply."""

_FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_MARKS = (b'"usage":{', b'"usage": {')


_decode: Final = msgspec.json.Decoder(UsualReply).decode
_decode_named: Final = msgspec.json.Decoder(NamedReply).decode
_decode_chunk = msgspec.json.Decoder(UsualChunk).decode
_decode_loosely = msgspec.json.Decoder().decode


def of_reply(body: bytes) -> Metered:
    """From a JSON reply; a body that is no JSON object says nothing."""
    return _completed(_usual(body), body)


def of_named_reply(body: bytes, name: str) -> Metered | None:
    """The same, of a reply whose id is exactly this for whoever reads it; None when it is not."""
    try:
        reply = _decode_named(body)
    except _FAULTS:
        return None
    return None if reply.id != name else _completed(_told(reply), body)


def of_stream(text: bytes) -> Metered:
    """From the text of an event stream: usage, finish reason and error from whichever of its last events has them.

    Where those do not tell all of the usage, other shapes and other places are tried. What an event is silent of is
    what an earlier one said; so usage may come in parts, the input first and the output last.
    """
    found = NOTHING
    for event in last_events(text, LAST_EVENTS):
        data = data_of(event)
        if data.startswith(b"{"):
            known = _usual(data)
            found = _merged(found, _of_loose(data) if known is None else known)
            if found.total_tokens and found.finish_reason is not None:
                break
    if not found.prompt_tokens or found.completion_tokens is None:
        for data in _elsewhere(text):
            found = _merged(found, _of_loose(data))
            if (
                found.prompt_tokens
                and found.completion_tokens is not None
                and found.finish_reason is not None
            ):
                break
    return found


def of_rest(text: bytes) -> Metered:
    """From the last part of a JSON reply whose beginning is not there: the last member `usage` in it."""
    for mark in _MARKS:
        start = text.rfind(mark) + len(mark) - 1
        end = start
        for _ in range(MAX_ENDS if start >= len(mark) - 1 else 0):
            end = text.find(b"}", end) + 1
            if not end:
                break
            try:
                found = tokens_in({"usage": _decode_loosely(text[start:end])})
            except _FAULTS:
                continue
            return NOTHING if found is None else _metered(found)
    return NOTHING


def has_only_usage(data: bytes) -> bool:
    """Whether a chunk's JSON carries usage and no choices: the extra chunk of `include_usage`."""
    try:
        chunk = _decode_chunk(data)
    except _FAULTS:
        return False
    return isinstance(chunk.usage, dict) and chunk.choices == []


def tells_usage(data: bytes) -> bool:
    """Whether an event's JSON carries counts, in any shape."""
    return tokens_in(_object(data)) is not None


def _completed(found: Metered | None, body: bytes) -> Metered:
    """What the typed decoder found; read again key by key when that is not all."""
    if found is None or found.total_tokens is None:
        if len(body) > MAX_WALKED:
            return of_rest(body) if found is None else found
        return _of_loose(body)
    return found


def _usual(body: bytes) -> Metered | None:
    """By the typed decoder; None for what has to be read key by key."""
    try:
        return _told(_decode(body))
    except msgspec.ValidationError:
        return None
    except _FAULTS:
        return NOTHING


def _told(reply: UsualReply) -> Metered | None:
    """What a reply of the usual shape says; None when that does not fit together."""
    if reply.response or reply.type == "error":
        return None
    # Hardly any text is one that a database would not take: that is asked here, and mended elsewhere.
    model, choices = reply.model, reply.choices
    if model is not None and (len(model) > MAX_TEXT or "\0" in model):
        model = _text(model)
    reason = choices[0].finish_reason if choices else None
    if reason is None or len(reason) > MAX_TEXT or "\0" in reason:
        reason = _reason_of(reply)
    error = None if reply.error is None else _error_text(reply.error)
    usage = reply.usage
    if usage is None:
        return _as_metered(model=model, finish_reason=reason, error=error)
    prompt, completion, total = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
    if prompt is None:
        prompt = usage.input_tokens
    if completion is None:
        completion = usage.output_tokens
    # They have to be all there and to fit together.
    if total is None or prompt is None or prompt + (completion or 0) != total:
        return None
    reasoning, cached, written = _details_of(usage)
    if (cached and cached > prompt) or (reasoning and reasoning > (completion or 0)):
        return None
    return _as_metered(
        prompt_tokens=prompt,
        completion_tokens=completion,
        reasoning_tokens=reasoning,
        cached_tokens=cached,
        cache_write_tokens=written,
        total_tokens=total,
        model=model,
        finish_reason=reason,
        error=error,
    )


def _merged(known: Metered, earlier: Metered) -> Metered:
    """What later events said, completed by what an earlier one said."""
    if not known.total_tokens:
        usage = earlier
    elif (known.prompt_tokens and known.completion_tokens is not None) or not earlier.total_tokens:
        usage = known
    else:
        usage = _metered(
            normal(
                Tokens(
                    input=known.prompt_tokens or earlier.prompt_tokens,
                    output=_or(known.completion_tokens, earlier.completion_tokens),
                    reasoning=_or(known.reasoning_tokens, earlier.reasoning_tokens),
                    cached=_or(known.cached_tokens, earlier.cached_tokens),
                    cache_write=_or(known.cache_write_tokens, earlier.cache_write_tokens),
                )
            )
        )
    return Metered(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        total_tokens=usage.total_tokens,
        audio_seconds=usage.audio_seconds,
        model=known.model if known.model is not None else earlier.model,
        finish_reason=known.finish_reason if known.finish_reason is not None else earlier.finish_reason,
        error=known.error if known.error is not None else earlier.error,
    )


def _elsewhere(text: bytes) -> list[bytes]:
    """Data of events that may tell the usage in another shape, or at another place than the end; the last one first."""
    found = [data_of(event) for event in last_events(text, LAST_EVENTS)]
    for mark in _MARKS:
        at = text.rfind(mark)
        if at >= 0:
            end = text.find(b"\n", at)
            found.append(data_of(text[text.rfind(b"\n", 0, at) + 1 : end if end >= 0 else len(text)]))
    opening = [data_of(event) for event, _ in zip(events(text[:OPENING]), range(FIRST_EVENTS), strict=False)]
    return [data for data in (*found, *reversed(opening)) if data.startswith(b"{")]


def _reason_of(reply: UsualReply) -> str | None:
    for choice in reply.choices or ():
        if choice.finish_reason is not None:
            return _text(choice.finish_reason)
    return None if reply.status is None else _text(reply.status)


def _details_of(usage: UsualUsage) -> tuple[int | None, int | None, int | None]:
    """(reasoning tokens, cached tokens, tokens written to a cache, None where there are none)."""
    asked = usage.prompt_tokens_details or usage.input_tokens_details
    made = usage.completion_tokens_details or usage.output_tokens_details
    reasoning = usage.reasoning_tokens if made is None else made.reasoning_tokens
    cached = written = None
    if asked is not None:
        cached = asked.cached_tokens
        written = asked.cache_write_tokens or None
    if cached is None:
        cached = usage.prompt_cache_hit_tokens if usage.cached_tokens is None else usage.cached_tokens
    if reasoning is None and made is not None:
        reasoning = usage.reasoning_tokens
    return reasoning, cached, written


def _or(first: int | None, second: int | None) -> int | None:
    return second if first is None else first


def _of_loose(body: bytes) -> Metered:
    reply = _object(body)
    tokens = tokens_in(reply)
    found = NOTHING if tokens is None else _metered(tokens)
    error = reply.get("error")
    if reply.get("type") == "error" and not error:
        error = reply.get("message")
    # An event of Responses or of Messages that has the whole object in it.
    inner = reply.get("response") or reply.get("message")
    said = inner if isinstance(inner, dict) else reply
    return msgspec.structs.replace(
        found,
        model=_text(said.get("model")) or _text(reply.get("model")),
        finish_reason=_loose_reason(said) or _loose_reason(reply),
        error=_error_text(error or said.get("error")),
    )


def _metered(tokens: Tokens) -> Metered:
    return Metered(
        prompt_tokens=tokens.input,
        completion_tokens=tokens.output,
        reasoning_tokens=tokens.reasoning,
        cached_tokens=tokens.cached,
        cache_write_tokens=tokens.cache_write,
        total_tokens=tokens.total,
        audio_seconds=tokens.seconds,
    )


def _loose_reason(reply: dict[str, Any]) -> str | None:
    choices = reply.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and isinstance(choice.get("finish_reason"), str):
            return _text(choice["finish_reason"])
    delta = reply.get("delta")
    if isinstance(delta, dict) and isinstance(delta.get("stop_reason"), str):
        return _text(delta["stop_reason"])
    return _text(reply.get("status"))


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = _decode_loosely(body)
    except _FAULTS:
        return {}
    return found if isinstance(found, dict) else {}


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
