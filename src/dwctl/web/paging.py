"""Pages by offset (spec/platform §0.6): `skip` and `limit`, clamped, in one envelope."""

from typing import Generic, TypeVar

import msgspec

from dwctl.core.errors import BadRequest

T = TypeVar("T")

DEFAULT_LIMIT = 10
MAX_LIMIT = 101


class Window(msgspec.Struct, frozen=True):
    """A part of a list, within its bounds."""

    skip: int
    limit: int


class Page(msgspec.Struct, Generic[T], frozen=True):
    """The envelope."""

    data: list[T]
    total_count: int
    skip: int
    limit: int


def window(skip: int = 0, limit: int = DEFAULT_LIMIT) -> Window:
    """Clamp what was asked for."""
    return Window(min(max(0, skip), 2**62), min(max(1, limit), MAX_LIMIT))


def words(name: str, text: str | None) -> str | None:
    """What a list is searched for; empty is nothing."""
    if text is not None and "\0" in text:
        raise BadRequest(f"{name}: expected text without NUL characters")
    return text or None


def csv(text: str | None) -> frozenset[str]:
    """The words of a comma-separated query parameter."""
    return frozenset(word.strip() for word in (text or "").split(",") if word.strip())
