"""What the processes of one machine tell each other about limits: a file in memory, written without locks (ADR 0021).

The file has a head and one column for each process, and only that process writes into its column. A column is a hash
table of cells, found by the tag of what is limited; a process makes a cell there when it first sees a call. Nobody
agrees on places: each looks for the tag in the columns of the others and remembers where it was.

A cell is 64 bytes: tag, stamp (which rates the wastes belong to), calls, tokens, calls under way, and the waste of each
of the three buckets. Numbers are read and written whole (8 bytes, aligned). The head has the moment from which all
count the time, which is the machine's monotonic clock, and for each column the process that writes it: when that is
gone, its calls under way do not count any more, though what it has let through does.

Where a column has no free cell near a tag's place, it refuses the place, and the caller keeps to its own part of the
limit. The file belongs to one start of the server: it is made anew by whoever starts the processes.
"""

import mmap
import os
import time
from hashlib import blake2b
from pathlib import Path
from struct import Struct, pack

import msgspec

TAG, STAMP, CALLS, TOKENS, ACTIVE, WASTES = range(6)
CELL = 8
"""Numbers in a cell; from `WASTES` on there are three."""
WHOLE_CELL = Struct("@qq6d")
"""In native form (@) each number is copied whole."""
SLOTS = 16_384
"""Cells of a column: one megabyte."""
PROBES = 16
"""Cells that a tag may lie in."""
LOOK_EVERY = 1.0
"""Seconds between two looks whether a process lives; only refused calls look at all."""
_HEAD = 512
"""Numbers before the first column: version, workers, slots, epoch, then four for each process."""
_VERSION = 1
_WORKERS, _SLOTS, _EPOCH, _PROCESSES = 1, 2, 3, 8
_PID, _BORN = 0, 1
MAX_WORKERS = (_HEAD - _PROCESSES) // 4


class Column(msgspec.Struct):
    """Another process's part of the table."""

    start: int
    """Index of its first number."""
    head: int
    """Index of what the head says of it."""
    pid: int = 0
    born: int = 0
    lives: bool = True


class SharedTable:
    """One process's view. `create` it once, before the processes start; then each attaches as its number."""

    def __init__(self, path: Path, worker: int) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.view = memoryview(self._map)
        """The table as bytes."""
        self.numbers = self.view.cast("d")
        self.stamps = self.view.cast("q")
        """The same bytes as integers: tags, stamps and the head."""
        version, self.workers, self._slots = self.stamps[:3].tolist()
        if version != _VERSION or not 0 <= worker < self.workers:
            raise ValueError(f"{path} is not a table of limits for process {worker}")
        self.epoch: float = self.numbers[_EPOCH]
        self._used: set[int] = set()
        """Places of this incarnation."""
        self._looked_at = 0.0
        columns = [
            Column(_HEAD + CELL * self._slots * each, _PROCESSES + 4 * each) for each in range(self.workers)
        ]
        self._own = columns.pop(worker)
        self.others = tuple(columns)
        # What the earlier incarnation had under way has ended with it.
        for place in range(self._own.start, self._own.start + CELL * self._slots, CELL):
            self.numbers[place + ACTIVE] = 0.0
        self.stamps[self._own.head + _BORN] = born(os.getpid())
        self.stamps[self._own.head + _PID] = os.getpid()

    @staticmethod
    def create(path: Path, workers: int, slots: int = SLOTS) -> None:
        """A new empty table, in place of an old one; those who still have the old one keep it."""
        if not 1 <= workers <= MAX_WORKERS or slots & (slots - 1):
            raise ValueError(f"expected 1 to {MAX_WORKERS} processes and a power of two of slots")
        new = path.with_name(f"{path.name}.new")
        with new.open("wb") as file:
            file.truncate(8 * (_HEAD + CELL * slots * workers))
            file.write(pack("=qqqd", _VERSION, workers, slots, time.monotonic()))
        new.replace(path)

    def close(self) -> None:
        """Let go of the file."""
        self.numbers.release()
        self.stamps.release()
        self.view.release()
        self._map.close()

    def place(self, tag: int) -> int:
        """Where this process writes about a tag: its old cell or a free one; -1 when there is none."""
        places = self._places(self._own, tag)
        place = next((each for each in places if self.stamps[each] == tag), -1)
        if place < 0:
            # A free one, else one that an earlier incarnation of this process has left.
            unused = [each for each in places if each not in self._used]
            if not unused:
                return -1
            place = next((each for each in unused if self.stamps[each] == 0), unused[0])
            self.free(place)
            self.stamps[place] = tag
        self._used.add(place)
        return place

    def free(self, place: int) -> None:
        """Nothing is known there any more."""
        self.stamps[place] = 0
        for index in range(STAMP, CELL):
            self.numbers[place + index] = 0.0
        self._used.discard(place)

    def find(self, other: Column, tag: int) -> int:
        """Where another process writes about a tag; -1 when it does not."""
        stamps = self.stamps
        for place in self._places(other, tag):
            if stamps[place] == tag:
                return place
        return -1

    def bury(self, now: float) -> bool:
        """Look which of the others are gone, once a second at most. Whether one was found out."""
        if now - self._looked_at < LOOK_EVERY:
            return False
        self._looked_at = now
        found = False
        for other in self.others:
            pid, since = self.stamps[other.head : other.head + 2].tolist()
            lives = pid == 0 or born(pid) == since
            found = found or (other.lives and not lives)
            other.lives, other.pid, other.born = lives, pid, since
        return found

    def returned(self, other: Column) -> bool:
        """Whether another process has taken the place of one that died."""
        found = self.stamps[other.head : other.head + 2].tolist()
        other.lives = found != [other.pid, other.born]
        return other.lives

    def _places(self, column: Column, tag: int) -> list[int]:
        start, mask = column.start, self._slots - 1
        return [start + CELL * ((tag + step) & mask) for step in range(min(PROBES, self._slots))]


def tag_of(ident: str) -> int:
    """What an id is called in the table; two ids share a tag once in 10^19 pairs."""
    return int.from_bytes(blake2b(ident.encode(), digest_size=8).digest(), signed=True) or 1


def stamp_of(*rates: float | None) -> int:
    """What a set of rates is called in the table."""
    return int.from_bytes(blake2b(repr(rates).encode(), digest_size=8).digest(), signed=True) or 1


def born(pid: int) -> int:
    """When a process started, in whatever the system counts in; 0 when there is none, 1 when nobody tells."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0 if Path("/proc/self").is_dir() else _signalled(pid)
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def _signalled(pid: int) -> int:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return 0
    except PermissionError:
        return 1
    return 1
