"""Reading fields of answers that anybody may have written. Pure; nothing here raises but `Malformed`.

What matters little (ids, times, indexes) is replaced where it is missing or of another type; what an answer exists for
(choices, texts, vectors, items) is never made up: an answer without it is malformed.
"""

from typing import Any, Protocol, TypeGuard

import msgspec
from msgspec import Raw, UnsetType

FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not as they should be."""
MAX_NUMBER = 2**53 - 1
"""The largest number that every JSON reader takes (RFC 8259 §6)."""
NULL = Raw(b"null")

Kept = Raw | UnsetType
"""A member that is kept as it came; unset when it is not there."""
_read_object = msgspec.json.Decoder(dict[str, Raw]).decode
_read_list = msgspec.json.Decoder(list[Raw]).decode
_read_text = msgspec.json.Decoder(str).decode
_read_any = msgspec.json.Decoder().decode


class Malformed(Exception):
    """An answer, or a piece of one, is not what its protocol says."""


class Answer(Protocol):
    """One call's answer in one protocol; raises `Malformed`."""

    def whole(self, body: bytes) -> bytes:
        """A complete answer, as JSON."""
        ...

    def event(self, data: bytes) -> bytes:
        """A piece of a stream, from its data (wire/sse.py) to a whole event."""
        ...


def starts(raw: Kept | None, openings: bytes) -> TypeGuard[Raw]:
    """Whether a value begins with one of these bytes: `{` for an object, `[`, `"`, or `n` for null."""
    return isinstance(raw, Raw) and memoryview(raw)[0] in openings


def missing(raw: Kept | None) -> bool:
    """Whether there is no value, or null."""
    return not isinstance(raw, Raw) or bytes(raw) == b"null"


def text(value: Any, otherwise: str) -> str:
    """A string, or another in its place."""
    return value if isinstance(value, str) else otherwise


def number(value: Any, otherwise: int = 0) -> int:
    """A count or a time: not negative, a JSON number or its digits."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 16:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_NUMBER:
        return otherwise
    return int(value)


def object_of(raw: bytes | Raw) -> dict[str, Raw]:
    """The members of an object, unread."""
    try:
        return _read_object(raw)
    except FAULTS as error:
        raise Malformed("an object is expected") from error


def list_of(raw: Raw) -> list[Raw]:
    """The elements of an array, unread."""
    try:
        return _read_list(raw)
    except FAULTS as error:
        raise Malformed("an array is expected") from error


def text_of(raw: Kept | None) -> str | None:
    """The string that a value is, if it is one."""
    if not starts(raw, b'"'):
        return None
    try:
        return _read_text(raw)
    except FAULTS:
        return None


def number_of(raw: Kept | None, otherwise: int = 0) -> int:
    """The count that a value is, if it is one."""
    if not isinstance(raw, Raw) or starts(raw, b"{[n"):
        return otherwise
    try:
        return number(_read_any(raw), otherwise)
    except FAULTS:
        return otherwise


def arguments_of(raw: Kept) -> Raw:
    """A call's arguments as the string that clients parse: an empty object where there are none.

    Some servers send null, nothing, or the object itself.
    """
    known = raw if isinstance(raw, Raw) else NULL
    if bytes(known).strip() in (b"null", b'""', b'"null"'):
        return Raw(b'"{}"')
    if starts(known, b'"'):
        return known
    return Raw(msgspec.json.encode(bytes(known).decode("utf-8", "replace")))


def given(**members: Kept) -> dict[str, Raw]:
    """The members that are there."""
    return {name: raw for name, raw in members.items() if isinstance(raw, Raw)}
