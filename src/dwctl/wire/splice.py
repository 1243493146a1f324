"""Setting one top-level member of a JSON object in its bytes; no other value changes a byte. Pure.

An exact parse of a large body costs more than everything else the gateway does with it, so the place is found by
pattern and then proven: the result is read back by key, and only if the member there has the new value was the place
right. If not (the key stands nested first, or is written with escapes), the object's top level is rebuilt from the
raw bytes of its values; then white space between members may change, and of repeated keys the last one stays.
"""

import re
from typing import Final

import msgspec

_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_GAP = rb"[ \t\r\n]*"
_BACKSLASH: Final = 0x5C
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Member:
    """One top-level key, prepared once."""

    __slots__ = ("_anywhere", "_before", "_first", "_key", "_name", "_plain", "_quoted", "_read")

    def __init__(self, name: str) -> None:
        key = re.escape(msgspec.json.encode(name))
        found = key + _GAP + rb":" + _GAP + rb"(" + _STRING + rb")"
        self._name = name
        self._quoted = msgspec.json.encode(name)
        self._key = self._quoted + b":"
        self._before = b"{" + self._key
        self._plain = self._before + b'"'
        self._first = re.compile(_GAP + rb"\{" + _GAP + found)
        self._anywhere = re.compile(found)
        read = msgspec.defstruct("Read", [(name, msgspec.Raw, msgspec.Raw(b""))])
        self._read = msgspec.json.Decoder(read).decode

    def set(self, body: bytes, value: bytes) -> bytes:
        """The object with this member set to a JSON value, or the body as it is when it is no JSON object.

        A string that stands first in the object is replaced without a parse, unless the key may stand there again.
        """
        plain = self._plain
        if body.startswith(plain):
            start = len(plain) - 1
            end = body.find(b'"', start + 1) + 1
            if body.find(b"\\", start, end) >= 0:
                start, end = self._place(body)
        else:
            start, end = self._place(body)
        if end:
            # One byte is looked for much faster than two, and there is often no backslash at all.
            rest = body[end:]
            if (rest.find(b"\\") < 0 or rest.find(b"\\u") < 0) and rest.find(self._quoted) < 0:
                return b"%b%b%b" % (body[:start], value, rest)
        old = self._value(body)
        if old is None or old == value:
            return body
        if not old:
            return self._prepend(body, value)
        match = self._anywhere.search(body)
        if match is not None:
            changed = b"%b%b%b" % (body[: match.start(1)], value, body[match.end(1) :])
            if self._value(changed) == value:
                return changed
        members = _OBJECT.decode(body)
        members[self._name] = msgspec.Raw(value)
        return msgspec.json.encode(members)

    def swapped(self, body: bytes, value: bytes) -> bytes:
        """The object with this value, where a string stands first in it in the plainest way; else empty.

        Whether the member stands there again is not looked for: whoever reads the result has to see the new value.
        """
        plain = self._plain
        if not body.startswith(plain):
            return b""
        end = body.find(b'"', len(plain))
        # The first quotation mark is the last one, unless it is escaped.
        if end < 0 or body[end - 1] == _BACKSLASH:
            return b""
        return b"%b%b%b" % (self._before, value, body[end + 1 :])

    def append(self, body: bytes, value: bytes) -> bytes:
        """A JSON object that is known to have other members and not this one, with this one as its last."""
        end = body.rfind(b"}")
        return b"%b,%b%b%b" % (body[:end], self._key, value, body[end:])

    def _place(self, body: bytes) -> tuple[int, int]:
        """From where to where the member's value lies, when it is a string that stands first; an end of 0 if not."""
        match = self._first.match(body)
        return (0, 0) if match is None else match.span(1)

    def _prepend(self, body: bytes, value: bytes) -> bytes:
        start = body.index(b"{") + 1
        rest = body[start:]
        comma = b"" if rest.lstrip().startswith(b"}") else b","
        return b"%b%b%b%b%b" % (body[:start], self._key, value, comma, rest)

    def _value(self, body: bytes) -> bytes | None:
        """The member's bytes; empty when it is not there, None when the body is no JSON object."""
        try:
            return bytes(getattr(self._read(body), self._name))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
