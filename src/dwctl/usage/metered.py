"""What replies say of themselves, and the usual shapes that they are read in."""

from typing import Annotated, Any

import msgspec

from dwctl.usage.shapes import MAX_TOKENS


class Metered(msgspec.Struct, kw_only=True, gc=False):
    """What a reply says of itself; None where it says nothing. What the counts include: `usage/shapes.py::Tokens`."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    total_tokens: int | None = None
    audio_seconds: float | None = None
    model: str | None = None
    finish_reason: str | None = None
    error: str | None = None
    """The message of an error that the reply reports, be its HTTP status 200."""
    estimated: bool = False
    """Whether a count is ours, for the upstream did not tell it (`usage/estimate.py`)."""


NOTHING = Metered()


_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]


class _Details(msgspec.Struct, gc=False):
    cached_tokens: _Count | None = None
    cache_write_tokens: _Count | None = None
    reasoning_tokens: _Count | None = None


class UsualUsage(msgspec.Struct, gc=False):
    """Counts by the names that most use."""

    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    total_tokens: _Count | None = None
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cached_tokens: _Count | None = None
    reasoning_tokens: _Count | None = None
    prompt_cache_hit_tokens: _Count | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class UsualReply(msgspec.Struct, gc=False):
    """The usual shape of a reply, or of a chunk; every other key is skipped unparsed."""

    model: str | None = None
    choices: list[_Choice] | None = None
    usage: UsualUsage | None = None
    status: str | None = None
    error: object = None
    response: msgspec.Raw = msgspec.Raw(b"")
    type: str | None = None


class NamedReply(UsualReply, gc=False):
    """The same with its id; of an id that stands twice it has the last, as whoever reads the reply."""

    id: str | None = None


class UsualChunk(msgspec.Struct, gc=False):
    """What tells whether a chunk is there for its usage alone."""

    usage: Any = None
    choices: Any = None
