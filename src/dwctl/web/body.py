"""What every request body is."""

from collections.abc import Iterator
from typing import Any

import msgspec


class Body(msgspec.Struct, kw_only=True):
    """Base of request bodies: PostgreSQL stores no NUL characters, so none are let in."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if any("\0" in text for text in _texts(getattr(self, name))):
                raise ValueError(f"{name}: expected text without NUL characters")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
