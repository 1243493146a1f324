"""What is recorded and not yet committed: in memory while it is little, on disk beyond that.

Entries leave in the order in which they came. When memory is full, entries stay on disk only, and the reader
fetches them back from the spool; it returns to memory when it has caught up.
"""

from collections import deque

from dwctl.requests import frames
from dwctl.requests.frames import Entry
from dwctl.requests.spool import Position, Spool

READ_BYTES = 8 * 1024 * 1024


class Backlog:
    """A queue over memory and the spool. `put` never blocks and never fails."""

    def __init__(self, spool: Spool, memory_bytes: int) -> None:
        self._spool = spool
        self._memory_bytes = memory_bytes
        self._entries: deque[tuple[Entry, Position]] = deque()
        self._bytes = 0
        self._spilled: Position | None = None

    @property
    def empty(self) -> bool:
        """Whether everything has been taken."""
        return not self._entries and self._spilled is None

    @property
    def spilled(self) -> bool:
        """Whether some entries are on disk only."""
        return self._spilled is not None

    def put(self, entry: Entry, size: int, after: Position, *, on_disk: bool) -> None:
        """Add an entry whose frame of `size` bytes ends there; `on_disk=False` keeps it in memory at any size."""
        if on_disk and (self._spilled is not None or self._bytes + size > self._memory_bytes):
            if self._spilled is None:
                self._spilled = Position(after.segment, after.offset - size)
            return
        self._entries.append((entry, after))
        self._bytes += size

    def take(self, rows: int, size: int) -> list[tuple[Entry, Position]]:
        """The next entries, at most so many and about so many bytes."""
        if not self._entries and self._spilled is not None:
            self._refill(self._spilled)
        taken: list[tuple[Entry, Position]] = []
        total = 0
        while self._entries and len(taken) < rows and total < size:
            pair = self._entries.popleft()
            length = len(pair[0].meta) + len(pair[0].body)
            self._bytes -= length + frames.OVERHEAD
            total += length
            taken.append(pair)
        return taken

    def floor(self, after: Position) -> Position:
        """Up to where everything is committed, once all entries up to `after` are."""
        return after if self._spilled is None else min(after, self._spilled)

    def put_back(self, taken: list[tuple[Entry, Position]]) -> None:
        """Return what could not be committed, in front."""
        self._entries.extendleft(reversed(taken))
        self._bytes += sum(len(e.meta) + len(e.body) + frames.OVERHEAD for e, _ in taken)

    def _refill(self, place: Position) -> None:
        """Read the next frames back from the spool; at least one, however large."""
        segment, offset = place.segment, place.offset
        end = self._spool.segment_end(segment)
        if offset >= end:
            if segment >= self._spool.position.segment:
                self._spilled = None
                return
            self._spilled = Position(segment + 1, 0)
            self._refill(self._spilled)
            return
        data = self._spool.read(segment, offset, READ_BYTES)
        length = frames.first_length(data)
        if length > len(data):
            data = self._spool.read(segment, offset, length)
        after = offset
        for kind, meta, body, read_to in frames.read(data):
            after = offset + read_to
            entry = frames.entry_of(kind, meta, body)
            self._entries.append((entry, Position(segment, after)))
            self._bytes += len(meta) + len(body) + frames.OVERHEAD
        # A frame that cannot be read back ends its segment, as it would after a restart.
        self._spilled = Position(segment, after) if after > offset else Position(segment + 1, 0)
