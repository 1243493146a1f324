"""The lines of a file of requests: read, checked, and turned into rows as PostgreSQL copies them. Pure.

A line that is written as most are (its four fields once each, in the order of the documents, with nothing between them
but a space) is known by a pattern, and what follows the pattern is its body: that costs one read by msgspec. Any other
line is read twice, with its fields in any order. Why a line is wrong is found out slowly, and once, and never by the
short way, which only says yes or leaves a line to the other.
"""

import re
import struct
import sys
from collections.abc import Sequence
from uuid import UUID

import msgspec
from msgspec import UNSET

from dwctl.engine.files.shape import MAX_CUSTOM_ID, NAME, Body, Line, explain, fault_of

COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TAIL = b"\xff\xff"
COLUMNS = ("file_id", "line", "prefix", "custom_id", "model", "url", "body")
AROUND = 4096
"""Bytes of a line that are not its body."""
SHARED = 2048
"""Bytes of a prompt's beginning by which lines belong together."""
PROMPT = 256
"""The same of a prompt that is one text."""
MAX_GROUPS = 50_000
"""Beginnings that are remembered; when there are more, all are forgotten."""

_BOM = b"\xef\xbb\xbf"
_FIRST = struct.Struct(">hi16siiiqi")
_LENGTH = struct.Struct(">i")
_PLAIN = re.compile(
    rb"""\{[ ]?"custom_id":[ ]?"([ !#-\[\]-~]{1,%d})",[ ]?"method":[ ]?"POST",[ ]?"""
    rb""""url":[ ]?"([!#-\[\]-~]{1,256})",[ ]?"body":[ ]?(?=\{)""" % MAX_CUSTOM_ID
)
"""A line up to its body. No escapes, so that the bytes are the texts; the name is one that `NAME` allows."""
_DECIDING = (b'"custom_id"', b'"method"', b'"url"', b'"body"')


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the lines of one file must be."""

    file_id: UUID
    urls: tuple[str, ...]
    max_body_bytes: int
    max_requests: int = 0
    """0: no limit."""
    unique_custom_ids: bool = False


class Target(msgspec.Struct, frozen=True, array_like=True):
    """A model and a path that no line named before."""

    line: int
    """Where it stands, from 1."""
    model: str
    url: str


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """Why a file is refused."""

    line: int
    """From 1; 0 when it is about no line."""
    message: str


class ModelSum(msgspec.Struct):
    """What a file has for one model, as `files.models` keeps it."""

    lines: int = 0
    bytes: int = 0
    urls: dict[str, int] = {}


class Sums(msgspec.Struct, frozen=True):
    """What a whole file has."""

    lines: int
    models: dict[str, ModelSum]


class Read(msgspec.Struct, frozen=True):
    """What came of some bytes of a file."""

    rows: bytes
    """In binary COPY format, without its head and tail."""
    targets: Sequence[Target] = ()
    fault: Fault | None = None
    """The first line that is wrong; the rows of the lines before it are of no use any more."""


class _Kind:
    """Lines of one model and path: what they share in their rows, and how many there are."""

    __slots__ = ("bytes", "lines", "model", "packed", "url")

    def __init__(self, model: str, url: str) -> None:
        self.model, self.url = model, url
        self.packed = _packed(model.encode()) + _packed(url.encode())
        self.lines = 0
        self.bytes = 0


class LineReader:
    """Reads one file. After a fault it reads no more."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._file_id = terms.file_id.bytes
        self._urls = frozenset(terms.urls)
        self._rest = b""
        self._offset = 0
        """Of the rest, in the file."""
        self._number = 0
        """Physical lines so far."""
        self._count = 0
        """Requests so far."""
        self._kinds: dict[tuple[str, str], _Kind] = {}
        self._plain_kinds: dict[tuple[str, bytes], _Kind] = {}
        self._groups: dict[int, int] = {}
        """By the hash of model and beginning: texts of fifty thousand would be memory, and two in one do no harm."""
        self._seen: dict[str, int] | None = {} if terms.unique_custom_ids else None
        self._line = msgspec.json.Decoder(Line).decode
        self._body = msgspec.json.Decoder(Body).decode

    def feed(self, data: bytes) -> Read:
        """More of the file; what its last line break leaves open is kept for later."""
        data = self._rest + data if self._rest else data
        end = data.rfind(b"\n") + 1
        most = self._terms.max_body_bytes + AROUND
        self._rest = data[end:]
        read = self._read(data[:end]) if end else Read(b"")
        if read.fault is None and len(self._rest) > most:
            fault = Fault(self._number + 1, f"body: expected at most {self._terms.max_body_bytes} bytes")
            return Read(b"", read.targets, fault)
        return read

    def end(self) -> Read:
        """The file is complete."""
        rest, self._rest = self._rest, b""
        read = self._read(rest) if rest else Read(b"")
        if read.fault is None and not self._count:
            fault = Fault(0, "The file has no requests: expected a JSON object on each line.")
            return Read(b"", (), fault)
        return read

    @property
    def sums(self) -> Sums:
        """Of what was read so far."""
        models: dict[str, ModelSum] = {}
        for kind in self._kinds.values():
            found = models.setdefault(kind.model, ModelSum(urls={}))
            found.lines += kind.lines
            found.bytes += kind.bytes
            found.urls[kind.url] = kind.lines
        return Sums(self._count, models)

    def _read(self, data: bytes) -> Read:
        """Whole lines."""
        start = self._offset
        self._offset += len(data)
        if start == 0 and data.startswith(_BOM):
            data = data[len(_BOM) :]
            start = len(_BOM)
        rows: list[bytes] = []
        targets: list[Target] = []
        try:
            data.decode()
        except UnicodeDecodeError as error:
            whole = data.rfind(b"\n", 0, error.start) + 1
            fault = self._lines(data[:whole], rows, targets)
            if fault is None:
                text = (
                    f"invalid UTF-8 at byte {error.start - whole + 1} of the line, "
                    f"byte {start + error.start + 1} of the file"
                )
                fault = Fault(self._number + 1, text)
        else:
            fault = self._lines(data, rows, targets)
        return Read(b"" if fault else b"".join(rows), targets, fault)

    def _lines(self, data: bytes, rows: list[bytes], targets: list[Target]) -> Fault | None:
        at, size = 0, len(data)
        while at < size:
            at = self._plain(data, at, rows, targets)
            if at >= size:
                break
            end = data.find(b"\n", at)
            if end < 0:
                end = size
            self._number += 1
            raw = data[at:end]
            if raw and not raw.isspace():
                fault = self._add(raw, rows, targets)
                if fault is not None:
                    return Fault(self._number, fault)
            at = end + 1
        return None

    def _plain(self, data: bytes, at: int, rows: list[bytes], targets: list[Target]) -> int:
        """Take lines as long as they are written as most are, and right; gives the place behind them."""
        matched, decode, kinds, seen, groups = (
            _PLAIN.match,
            self._body,
            self._plain_kinds,
            self._seen,
            self._groups,
        )
        file_id, number, count = self._file_id, self._number, self._count
        most, largest = self._terms.max_requests or sys.maxsize, self._terms.max_body_bytes
        size = len(data)
        while at < size:
            end = data.find(b"\n", at)
            if end < 0:
                end = size
            head = matched(data, at, end)
            if head is None or count >= most or not data.endswith(b"}}", at, end):
                break
            name, url = head.groups()
            body = data[head.end() : end - 1]
            length = len(body)
            if length > largest or body.count(b'"model"') > 1:
                break
            try:
                read = decode(body)
            except (msgspec.DecodeError, RecursionError):
                break
            if read.stream is not UNSET or read.priority is not UNSET:
                break
            this = number + 1
            if seen is not None and seen.setdefault(name.decode(), this) != this:
                break
            kind = kinds.get((read.model, url)) or self._plain_kind(read.model, url, this, targets)
            if kind is None:
                break
            if len(groups) >= MAX_GROUPS:
                groups.clear()
            group = groups.setdefault(hash((read.model, _beginning(read))), count)
            rows += (
                _FIRST.pack(7, 16, file_id, 4, count, 8, group, len(name)),
                name,
                kind.packed,
                _LENGTH.pack(length),
                body,
            )
            kind.lines += 1
            kind.bytes += length
            number, count, at = this, count + 1, end + 1
        self._number, self._count = number, count
        return at

    def _plain_kind(self, model: str, url: bytes, number: int, targets: list[Target]) -> _Kind | None:
        """The kind of a line that the pattern has found; None when there is no such model or path."""
        path = url.decode()
        if path not in self._urls or not model or "\0" in model:
            return None
        kind = self._plain_kinds[model, url] = self._kind(model, path, number, targets)
        return kind

    def _kind(self, model: str, url: str, number: int, targets: list[Target]) -> _Kind:
        kind = self._kinds.get((model, url))
        if kind is None:
            kind = self._kinds[model, url] = _Kind(model, url)
            targets.append(Target(number, model, url))
        return kind

    def _add(self, raw: bytes, rows: list[bytes], targets: list[Target]) -> str | None:
        """One request's row; gives what is wrong with it."""
        terms = self._terms
        try:
            line = self._line(raw)
            body = bytes(line.body)
            read = self._body(body)
        except (msgspec.DecodeError, RecursionError):
            return explain(raw)
        custom_id, url, model = line.custom_id, line.url, read.model
        if (
            line.method != "POST"
            or url not in self._urls
            or not NAME.fullmatch(custom_id)
            or read.stream
            or not model
            or "\0" in model
            or len(body) > terms.max_body_bytes
            # Perhaps twice, perhaps within a prompt: that is looked at closely.
            or body.count(b'"model"') > 1
            or body.count(b'"stream"') > 1
            or max(map(_around(raw, body).count, _DECIDING)) > 1
        ):
            fault = fault_of(raw, line, read, len(body), self._urls, terms.max_body_bytes)
            if fault is not None:
                return fault
        if terms.max_requests and self._count >= terms.max_requests:
            return f"expected at most {terms.max_requests} requests in a file"
        if self._seen is not None:
            before = self._seen.setdefault(custom_id, self._number)
            if before != self._number:
                return f"custom_id: {custom_id!r} is that of line {before} already"
        if read.priority is not UNSET:
            body = _without_priority(body)
        kind = self._kind(model, url, self._number, targets)
        count = self._count
        size = len(body)
        groups = self._groups
        if len(groups) >= MAX_GROUPS:
            groups.clear()
        # The number of the first line of the same model whose prompt begins like this one's.
        group = groups.setdefault(hash((model, _beginning(read))), count)
        rows += (
            _FIRST.pack(7, 16, self._file_id, 4, count, 8, group, len(custom_id)),
            custom_id.encode(),
            kind.packed,
            _LENGTH.pack(size),
            body,
        )
        kind.lines += 1
        kind.bytes += size
        self._count = count + 1
        return None


def _beginning(body: Body) -> bytes:
    """What lines must share to belong together: the beginning of the prompt, of a list its first member.

    A member ends, as far as this is concerned, with the first brace that closes. That may be too early, within a text,
    and then is at the same place in all that begin so.
    """
    for first in (body.instructions, body.messages, body.input):
        text = bytes(memoryview(first)[:SHARED])
        if text not in (b"", b"null"):
            end = text.find(b"}") if text.startswith(b"[") else -1
            return text if end < 0 else text[:end]
    # A prompt has no parts.
    return bytes(memoryview(body.prompt)[:PROMPT])


def _around(raw: bytes, body: bytes) -> bytes:
    """A line without its body; with it, if it is not found at once."""
    at = raw.find(body[:32])
    return raw[:at] + raw[at + len(body) :] if raw.startswith(body, at) else raw


def _packed(text: bytes) -> bytes:
    return _LENGTH.pack(len(text)) + text


def _without_priority(body: bytes) -> bytes:
    """The same object without the field at its top; every other value stays as it came."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    if fields.pop("priority", None) is None:
        return body
    return msgspec.json.encode(fields)
