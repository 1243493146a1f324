"""What passes between this process and the one that reads a file's lines: terms and bytes out, frames back. Pure.

Out: the length of the terms, the terms in JSON, then the file as it is, to the end of the pipe. Back: for each part
that was read a head and rows, with their lengths before them.
"""

import struct

import msgspec

from dwctl.engine.files.lines import Fault, Sums, Target, Terms

LENGTH = struct.Struct(">I")
LENGTHS = struct.Struct(">II")


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a frame says beside its rows."""

    targets: tuple[Target, ...] = ()
    fault: Fault | None = None
    sums: Sums | None = None
    """With the last frame of a file that is right."""


_encode = msgspec.json.encode
terms_of = msgspec.json.Decoder(Terms).decode
head_of = msgspec.json.Decoder(Head).decode


def opening(terms: Terms) -> bytes:
    """What is sent before the file."""
    text = _encode(terms)
    return LENGTH.pack(len(text)) + text


def frame(head: Head, rows: bytes) -> bytes:
    """One frame."""
    text = _encode(head)
    return b"".join((LENGTHS.pack(len(text), len(rows)), text, rows))
