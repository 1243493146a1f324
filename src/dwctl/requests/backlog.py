"""What is recorded and not yet committed: in memory while it is little, on disk beyond that.

Blocks leave in the order in which they came. When memory is full, blocks stay on disk only, and the reader fetches
them back from the spool; it returns to memory when it has caught up.
"""

from collections import deque

from dwctl.requests import frames
from dwctl.requests.entries import Block, Position
from dwctl.requests.spool import Spool

READ_BYTES = 8 * 1024 * 1024


class Backlog:
    """A queue over memory and the spool. `put` never blocks and never fails."""

    def __init__(self, spool: Spool, memory_bytes: int) -> None:
        self._spool = spool
        self._memory_bytes = memory_bytes
        self._blocks: deque[Block] = deque()
        self._bytes = 0
        self._spilled: Position | None = None

    @property
    def empty(self) -> bool:
        """Whether everything has been taken."""
        return not self._blocks and self._spilled is None

    @property
    def spilled(self) -> bool:
        """Whether some records are on disk only."""
        return self._spilled is not None

    def put(self, block: Block, *, on_disk: bool) -> bool:
        """Add a block, and tell whether it is in memory; `on_disk=False` keeps it there at any size."""
        if on_disk and (self._spilled is not None or self._bytes + block.size > self._memory_bytes):
            if self._spilled is None:
                self._spilled = block.start
            return False
        self._blocks.append(block)
        self._bytes += block.size
        return True

    def take(self, rows: int, size: int) -> list[Block]:
        """The next records in whole blocks, at most so many rows and about so many bytes; a larger block in parts."""
        if not self._blocks and self._spilled is not None:
            self._refill(self._spilled)
        taken: list[Block] = []
        while self._blocks and rows > 0 and size > 0:
            block = self._blocks[0]
            if len(block.entries) > rows:
                if not taken:
                    taken.append(self._part(block, rows))
                break
            self._blocks.popleft()
            self._bytes -= block.size
            rows -= len(block.entries)
            size -= block.size
            taken.append(block)
        return taken

    def floor(self, after: Position) -> Position:
        """Up to where everything is committed, once all blocks up to `after` are."""
        return after if self._spilled is None else min(after, self._spilled)

    def put_back(self, taken: list[Block]) -> None:
        """Return what could not be committed, in front."""
        self._blocks.extendleft(reversed(taken))
        self._bytes += sum(block.size for block in taken)

    def _part(self, block: Block, rows: int) -> Block:
        """Cut the first rows off a block. Its place on disk counts as uncommitted until the last of them is."""
        size = block.size * rows // len(block.entries)
        part = Block(block.entries[:rows], size, block.start, block.start)
        block.entries = block.entries[rows:]
        block.size -= size
        self._bytes -= size
        return part

    def _refill(self, place: Position) -> None:
        """Read the next blocks back from the spool; at least one, however large."""
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
        length = frames.block_length(data)
        if length > len(data):
            data = self._spool.read(segment, offset, length)
        before = 0
        for entries, after in frames.blocks(data, segment):
            start, stop = Position(segment, offset + before), Position(segment, offset + after)
            self._blocks.append(Block(entries, after - before, start, stop))
            self._bytes += after - before
            before = after
        # A block that cannot be read back ends its segment, as it would after a restart.
        self._spilled = Position(segment, offset + before) if before else Position(segment + 1, 0)
