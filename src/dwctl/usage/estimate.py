"""What a call used, where its upstream did not tell (decision 0030). Pure.

A rule that is simple and known, and gives no zero for text:

- Input: a token for every four bytes of the request's body. What lies in it as base64 (pictures, sounds, documents)
  counts as `MEDIA_TOKENS` each, or by its bytes if that is less.
- Output of a stream: a token for each event with text in it, or for every four bytes of its text if that is more: model
  servers send a token an event, and some send several at once.
- Output of a whole answer: a token for every four bytes of its text. Names and arguments of tools, refusals and thought
  are text too.

Of a long stream only the end is read, and what was found there stands for the rest by its share of the bytes.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from dwctl.usage.meter import tells_usage
from dwctl.usage.shapes import MAX_TOKENS
from dwctl.wire.sse import data_of, events, last_events

BYTES_PER_TOKEN = 4
MEDIA_TOKENS = 1000
"""For a picture, a sound or a document in a request."""
MAX_PIECES = 256
"""How many of these are looked for; what follows counts by its bytes."""
SAMPLE = 64 * 1024
"""Bytes from the end of a stream that are read: half a millisecond."""
MAX_READ = 1024 * 1024
"""Bytes of a whole answer that are read; a larger one counts by its bytes."""
LAST_EVENTS = 64
"""Events from the end of a stream among which the last text or the last usage is looked for."""

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_\\"
_MEDIA = (b";base64,", b'"data":"', b'"data": "')
"""What stands before base64: in a URL, and in parts with sound."""
_TEXTS = ("content", "refusal")
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_DELTAS = ("text", "partial_json", "thinking")

_decode = msgspec.json.Decoder().decode


def of_bytes(count: int) -> int:
    """Tokens of so many bytes."""
    return min(-(-count // BYTES_PER_TOKEN), MAX_TOKENS)


def of_request(body: bytes) -> int:
    """Tokens that a request's body asks with."""
    size, media = len(body), 0
    for mark in _MEDIA:
        at = body.find(mark)
        for _ in range(MAX_PIECES):
            if at < 0:
                break
            start = at + len(mark)
            end = body.find(b'"', start)
            end = len(body) if end < 0 else end
            length = end - start
            if length > MEDIA_TOKENS * BYTES_PER_TOKEN and not body[start:end].translate(None, _BASE64):
                size -= length
                media += MEDIA_TOKENS
            at = body.find(mark, end)
    return min(of_bytes(size) + media, MAX_TOKENS)


def of_reply(body: bytes) -> int:
    """Tokens of a whole answer's text; one that cannot be read counts by its bytes."""
    if len(body) > MAX_READ:
        return of_bytes(len(body))
    try:
        reply = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return of_bytes(len(body))
    return of_bytes(_size_of_reply(reply)) if isinstance(reply, dict) else 0


def of_stream(text: bytes, size: int) -> int:
    """Tokens of the text in the events of a stream of `size` bytes, of which `text` is the last part, or all."""
    if len(text) > SAMPLE:
        start = text.find(b"\n\n", len(text) - SAMPLE) + 2
        text = text[start:] if start > 1 else text
    pieces = written = 0
    for event in events(text):
        piece = _size_in(data_of(event))
        if piece:
            pieces += 1
            written += piece
    tokens = max(pieces, of_bytes(written))
    if tokens and size > len(text):
        tokens = -(-tokens * size // len(text))
    return min(tokens, MAX_TOKENS)


def goes_on(text: bytes) -> bool:
    """Whether a stream has text after the last usage that it told: then that usage is not all of it."""
    for event in last_events(text, LAST_EVENTS):
        data = data_of(event)
        if b"usage" in data and tells_usage(data):
            return False
        if _size_in(data):
            return True
    return False


def _size_in(data: bytes) -> int:
    """Bytes of text in one event's data."""
    if not data.startswith(b"{"):
        return 0
    try:
        told = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return 0
    if not isinstance(told, dict):
        return 0
    size = sum(map(_size_of_choice, _dicts(told.get("choices"))))
    delta = told.get("delta")
    if isinstance(delta, dict):
        size += sum(_length(delta.get(name)) for name in _DELTAS)
    elif not str(told.get("type")).endswith("audio.delta"):
        size += _length(delta)
    return size


def _size_of_reply(reply: dict[str, Any]) -> int:
    """Bytes of text: of a chat or text completion, of a Response, of a Message, of a transcription."""
    size = sum(map(_size_of_choice, _dicts(reply.get("choices"))))
    for item in _dicts(reply.get("output")):
        size += sum(_size_of_part(part) for part in (item, *_dicts(item.get("content"))))
        size += sum(map(_size_of_part, _dicts(item.get("summary"))))
    size += sum(map(_size_of_part, _dicts(reply.get("content"))))
    return size + _length(reply.get("text"))


def _size_of_choice(choice: dict[str, Any]) -> int:
    size = _length(choice.get("text"))
    for name in ("delta", "message"):
        said = choice.get(name)
        if isinstance(said, dict):
            size += sum(_length(said.get(text)) for text in _TEXTS)
            size += sum(map(_size_of_part, _dicts(said.get("content"))))
            # Some servers say the same thought under two names.
            size += max(_length(said.get(thought)) for thought in _THOUGHTS)
            for call in _dicts(said.get("tool_calls")):
                size += sum(map(_size_of_part, _dicts([call.get("function")])))
            size += sum(map(_size_of_part, _dicts([said.get("function_call")])))
    return size


def _size_of_part(part: dict[str, Any]) -> int:
    return sum(_length(part.get(name)) for name in ("text", "refusal", "name", "arguments", "thinking"))


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())


def _length(value: object) -> int:
    return len(value.encode("utf-8", "replace")) if isinstance(value, str) else 0
