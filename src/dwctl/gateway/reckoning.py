"""What a call used when its upstream has not told all of it: counted from what went through (decision 0030). Pure.

Only asked when something is missing, or when the call was cut. Three cases:

- It failed before the client got any of an answer: nothing was used, and that is no estimate.
- The upstream told its usage, but not all: a zero or nothing for text that came, or text after it. What is missing is
  estimated, the rest stays as told.
- It told nothing: all is estimated. A client that left before anything came, too, has asked for its input.
"""

import zlib

import msgspec

from dwctl.gateway.upstream.response_head import Head
from dwctl.usage import estimate
from dwctl.usage.meter import of_reply, of_rest, of_stream
from dwctl.usage.metered import NOTHING, Metered
from dwctl.usage.shapes import MAX_TOKENS, within

TEXT_PATHS = frozenset(
    {
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/audio/transcriptions",
        "/v1/audio/translations",
    }
)
"""Routes whose answers are text; other answers (vectors, scores, sounds, pictures) are no output in tokens."""
COUNTING = "/v1/responses/input_tokens"
"""Its answer tells of tokens that nobody has used."""
MAX_INFLATED = 4 * 1024 * 1024
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class Passed(msgspec.Struct, frozen=True):
    """What went through for a call."""

    path: str
    asked: bytes
    """The client's body; empty for a form, whose files are not counted in tokens."""
    head: Head | None
    """Of the upstream's answer."""
    body: bytes
    """What is kept of the answer: all of it, or of a large one the end."""
    size: int
    """Bytes of the answer."""
    began: bool
    """Whether the client got some of the answer before its end was known."""
    failed: bool
    left: bool
    """Whether the client left while the upstream worked for it."""


def reckoned(told: Metered, passed: Passed) -> Metered:
    """The usage of a call, with what was not told; `told` is what its answer said."""
    if passed.path == COUNTING:
        return msgspec.structs.replace(told, prompt_tokens=0, completion_tokens=0, total_tokens=0)
    head = passed.head
    failed = passed.failed or told.error is not None
    answered = head is not None and head.status < 300 and (passed.began or not failed)
    if head is None or not answered:
        if told.total_tokens or not passed.left:
            return _nothing_used(told)
        return _estimated(told, estimate.of_request(passed.asked), 0)
    body = _inflated(passed.body) if head.coded else passed.body
    whole = head.coded and body is not passed.body
    if not told.total_tokens and (again := _read_again(head, body, passed)).total_tokens:
        told = again
    output = 0
    if passed.path in TEXT_PATHS:
        output = _written(head, body, len(body) if whole else passed.size)
    if told.total_tokens:
        return _completed(told, output, body, passed)
    if failed and not output and not passed.left:
        return _nothing_used(told)
    return _estimated(told, estimate.of_request(passed.asked), output)


def _read_again(head: Head, body: bytes, passed: Passed) -> Metered:
    """Usage from an answer that was not read, for it was compressed or too large."""
    if head.events:
        return of_stream(body) if head.coded else NOTHING
    if head.coded:
        return of_reply(body)
    return of_rest(body) if passed.began else NOTHING


def _written(head: Head, body: bytes, size: int) -> int:
    """Tokens of the answer's text."""
    if head.events:
        return estimate.of_stream(body, size)
    if body.lstrip()[:1] == b"{" and size == len(body):
        return estimate.of_reply(body)
    return estimate.of_bytes(size)


def _completed(told: Metered, output: int, body: bytes, passed: Passed) -> Metered:
    """What was told, and what is missing of it."""
    given, made, total = told.prompt_tokens, told.completion_tokens, told.total_tokens or 0
    if not made and output:
        if made is None and given == total:
            # Only a sum was told: it is of both.
            made = min(output, total)
            given = total - made
        else:
            made = output
    elif made and passed.failed and output > made and estimate.goes_on(body):
        made = output
    if not given:
        given = estimate.of_request(passed.asked) if passed.asked else given
    if (given, made) == (told.prompt_tokens, told.completion_tokens):
        return told
    return _estimated(told, given, made)


def _estimated(told: Metered, given: int | None, made: int | None) -> Metered:
    cached = within(told.cached_tokens, given or 0)
    return msgspec.structs.replace(
        told,
        prompt_tokens=given,
        completion_tokens=made,
        total_tokens=min((given or 0) + (made or 0), MAX_TOKENS),
        cached_tokens=cached,
        cache_write_tokens=within(told.cache_write_tokens, (given or 0) - (cached or 0)),
        reasoning_tokens=within(told.reasoning_tokens, made or 0),
        estimated=True,
    )


def _nothing_used(told: Metered) -> Metered:
    """Zero, unless the upstream said otherwise."""
    if told.total_tokens:
        return told
    return msgspec.structs.replace(told, prompt_tokens=0, completion_tokens=0, total_tokens=0)


def _inflated(body: bytes) -> bytes:
    """What is compressed, as far as it is there and can be read; else as it came."""
    try:
        return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(body, MAX_INFLATED) or body
    except zlib.error:
        return body
