"""Records on their way to the database, and their place in the spool."""

import msgspec

from dwctl.requests.entry import Entry
from dwctl.requests.record import State


class Stamp(msgspec.Struct, gc=False):
    """What of a record's JSON an entry has."""

    id: str
    attempt: int = 1
    state: int = State.PROCESSING


class Position(msgspec.Struct, frozen=True, order=True):
    """A place in the spool: everything before it is complete frames."""

    segment: int
    offset: int


class Block(msgspec.Struct, gc=False):
    """Records that were written to the spool together, or the part of them that is left."""

    entries: list[Entry]
    size: int
    """Bytes on disk."""
    start: Position
    end: Position
    """Everything before this place is committed once these entries are."""


class Batch(msgspec.Struct, frozen=True):
    """What one statement writes: for each request a record and the lengths of its bodies."""

    records: bytes
    """A JSON array."""
    bodies: list[bytes]
    """Of each request in turn: the client's, then the answer's."""
    requests: list[int | None]
    """Length of each client's body; None when there is none."""
    responses: list[int | None]
    displaced: list[Entry]
    """Ends that gave way to others of the same requests, and have a cost or called tools: for a next statement."""
