"""The form of an upload (RFC 7578), piece by piece and with its fields in any order. Pure."""

import re
from collections.abc import Iterator
from typing import TypeAlias

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from dwctl.core.errors import BadRequest

FILE = "file"
FIELDS = frozenset({"purpose", "expires_after[anchor]", "expires_after[seconds]"})
"""What is understood beside the file; other fields are let through unread."""
MAX_FIELDS_BYTES = 64 * 1024
"""Of all fields together."""
MAX_PARTS = 64
MAX_NAME = 255
_BOUNDARY = re.compile(
    r"""multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"\\]{1,70})"|([^\s;"]{1,70}))\s*(?:;.*)?""",
    re.IGNORECASE,
)


class Field(msgspec.Struct, frozen=True):
    """A field that is understood, complete."""

    name: str
    value: str


class FileBegins(msgspec.Struct, frozen=True):
    """Bytes of the file follow."""

    filename: str


class FileEnds(msgspec.Struct, frozen=True):
    """The file is complete."""


Event: TypeAlias = Field | FileBegins | FileEnds | bytes


class UploadForm:
    """One form; every method raises `BadRequest` for what cannot be understood."""

    def __init__(self, content_type: str) -> None:
        found = _BOUNDARY.fullmatch(content_type.strip())
        if found is None:
            raise BadRequest(
                "body: expected multipart/form-data with a boundary, with the file in the field 'file'"
            )
        self._parser = PushMultipartParser(found[1] or found[2], max_segment_count=MAX_PARTS)
        self._name: str | None = None
        self._value = b""
        self._size = 0
        self._seen: set[str] = set()

    def feed(self, data: bytes) -> Iterator[Event]:
        """More of the body; what is given has to be taken before the next call."""
        try:
            for event in self._parser.parse(data):
                yield from self._take(event)
        except MultipartError as error:
            raise _not_a_form(str(error)) from error

    def end(self) -> None:
        """The body is complete."""
        try:
            self._parser.close()
        except MultipartError as error:
            raise _not_a_form("it ends before its last part does") from error

    def _take(self, event: MultipartSegment | bytes | None) -> Iterator[Event]:
        if event is None:
            yield from self._end_part()
        elif isinstance(event, MultipartSegment):
            yield from self._begin_part(event)
        elif self._name == FILE:
            yield bytes(event)
        else:
            self._size += len(event)
            if self._size > MAX_FIELDS_BYTES:
                raise _not_a_form(f"its fields are larger than {MAX_FIELDS_BYTES} bytes together")
            if self._name in FIELDS:
                self._value += event

    def _begin_part(self, segment: MultipartSegment) -> Iterator[Event]:
        name = str(segment.name)
        self._name, self._value = name, b""
        if name == FILE or name in FIELDS:
            if name in self._seen:
                raise BadRequest(f"{name}: stands in the form twice; expected once")
            self._seen.add(name)
        if name == FILE:
            yield FileBegins(_filename(segment.filename))

    def _end_part(self) -> Iterator[Event]:
        name, self._name = self._name, None
        if name == FILE:
            yield FileEnds()
        elif name is not None and name in FIELDS:
            try:
                yield Field(name, self._value.decode().strip())
            except UnicodeDecodeError as error:
                raise BadRequest(f"{name}: expected text in UTF-8") from error


def _filename(given: str | None) -> str:
    """The last part of a path."""
    name = re.split(r"[/\\]", given or "")[-1].strip() or FILE
    if "\0" in name or len(name) > MAX_NAME:
        raise BadRequest(f"file: expected a name of at most {MAX_NAME} characters, without NUL")
    return name


def _not_a_form(reason: str) -> BadRequest:
    return BadRequest(
        f"body: not multipart/form-data as its Content-Type says: {reason[:1].lower() + reason[1:]}"
    )
