"""Reading `multipart/form-data` piece by piece (RFC 7578): two fields are known, everything goes to a spill.

What is kept is framed anew, part by part, with the very bytes of each part's body and header values: so the upstream
finds the parts that were found here, whatever lay around them, and the model's name is a place where any other can be
put. A part whose name could be read in two ways, and a known field that stands twice, are refused.
"""

import re

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from dwctl.gateway.peeked import Peek
from dwctl.gateway.uploads.spill import Piece, Spill, SpillSource
from dwctl.wire.errors import Problem, Refused

MAX_PARTS = 256
MAX_FIELD = 1024
"""Bytes of a field that is decided on."""
_BOUNDARY = re.compile(
    rb"""multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"\\]{1,70})"|([^\s;"]{1,70}))\s*(?:;.*)?""",
    re.IGNORECASE,
)
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_OPTION = re.compile(r';[ \t]*([A-Za-z0-9_*-]+)[ \t]*=[ \t]*("[^"]*"|[^\s;"]*)[ \t]*')
_TRUE = frozenset({b"true", b"1"})


def boundary_of(content_type: bytes) -> bytes | None:
    """The boundary of a form; None for what is no form."""
    found = _BOUNDARY.fullmatch(content_type.strip())
    return None if found is None else found[1] or found[2]


class Form:
    """One form. Every method raises `Refused` with 400 for what cannot be understood."""

    def __init__(self, boundary: bytes, spill: Spill) -> None:
        # Not every server understands quotes; they are needed for few boundaries.
        shown = boundary if _TOKEN.fullmatch(boundary) else b'"%b"' % boundary
        self.content_type = b"multipart/form-data; boundary=%b" % shown
        self._spill = spill
        # Latin-1 gives back the very bytes of a header that it was read from.
        self._parser = PushMultipartParser(
            boundary,
            header_charset="latin-1",
            max_segment_count=MAX_PARTS,
        )
        self._between = b"--%b\r\n" % boundary
        self._last = b"--%b--\r\n" % boundary
        self._field: str | None = None
        self._values: dict[str, bytes] = {}
        self._model_at = -1

    def feed(self, data: bytes) -> None:
        """More of the body."""
        kept: list[bytes] = []
        try:
            for event in self._parser.parse(data):
                self._take(event, kept)
        except MultipartError as error:
            raise Refused(not_a_form(str(error))) from error
        if kept:
            self._spill.write(b"".join(kept))

    def end(self) -> Peek:
        """The body is complete; gives what it says."""
        try:
            self._parser.close()
        except MultipartError as error:
            raise Refused(not_a_form("it ends before its last part does")) from error
        self._spill.write(self._last)
        model = self._values.get("model")
        try:
            name = None if model is None else model.decode()
        except UnicodeDecodeError as error:
            text = "Invalid 'model': expected text in UTF-8."
            raise Refused(_problem(text, param="model", code="invalid_value")) from error
        stream = self._values.get("stream", b"").strip().lower() in _TRUE
        return Peek(name, stream, includes_usage=False, has_stream_options=False)

    def source(self, model_name: str) -> SpillSource:
        """What a target gets, with its own name of the model; each target has a source of its own."""
        name = model_name.encode()
        size = self._spill.size
        if self._model_at < 0:
            field = b'%bContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n' % (self._between, name)
            return SpillSource(self._spill, (Piece(field), Piece(start=0, end=size)))
        at = self._model_at
        return SpillSource(self._spill, (Piece(end=at), Piece(name), Piece(start=at, end=size)))

    def _take(self, event: MultipartSegment | bytes | None, kept: list[bytes]) -> None:
        field = self._field
        if event is None:
            self._field = None
            kept.append(b"\r\n")
        elif not isinstance(event, bytes):
            self._begin(event, kept)
        elif field is None:
            kept.append(event)
        else:
            value = self._values[field] = self._values[field] + event
            if len(value) > MAX_FIELD:
                text = f"Invalid '{field}': expected at most {MAX_FIELD} bytes."
                raise Refused(_problem(text, param=field, code="invalid_value"))
            if field != "model":
                kept.append(event)

    def _begin(self, segment: MultipartSegment, kept: list[bytes]) -> None:
        headers: list[tuple[str, str]] = segment.headerlist
        dispositions = [value for name, value in headers if name == "Content-Disposition"]
        name = _name_of(dispositions[0]) if len(dispositions) == 1 else None
        if name is None or name != segment.name:
            raise Refused(not_a_form("a part has no name, or one that could be read in two ways"))
        lines = "".join(f"{known}: {value}\r\n" for known, value in headers if known != "Content-Length")
        kept.append(b"%b%b\r\n" % (self._between, lines.encode("latin-1")))
        if name in ("model", "stream"):
            if name in self._values:
                text = f"The field '{name}' stands in the form twice; send it once."
                raise Refused(_problem(text, param=name, code="invalid_value"))
            self._field = name
            self._values[name] = b""
            if name == "model":
                self._model_at = self._spill.size + sum(map(len, kept))


def _name_of(disposition: str) -> str | None:
    """The one name of a part; None when there is none, or several readings."""
    options = disposition.strip()[len("form-data") :].lstrip()
    found = list(_OPTION.finditer(options))
    keys = [match[1].lower() for match in found]
    whole = "".join(match[0] for match in found) == options
    if not whole or len(set(keys)) < len(keys) or '\\"' in options or "name" not in keys or "name*" in keys:
        return None
    value = found[keys.index("name")][2]
    return value[1:-1] if value.startswith('"') else value


def _problem(text: str, param: str | None = None, code: str | None = None) -> Problem:
    return Problem(status=400, message=text, param=param, code=code)


def not_a_form(reason: str) -> Problem:
    """400 for a body that is not what its Content-Type says."""
    reason = reason[:1].lower() + reason[1:]
    return _problem(f"The body is not multipart/form-data as its Content-Type says: {reason}.")
