"""A contestant's processes as the kernel accounts for them (proc(5): stat, smaps_rollup; CPU clocks).

A tree is the first process, its session, and everything that descends from it. PostgreSQL's processes in it
are told apart by the name of their executable: they are the database's cost, not the gateway's.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Process:
    """One line of the process table."""

    pid: int
    parent: int
    session: int
    name: str
    cpu: float
    """Seconds of its own threads, and of its children that have ended."""

    @property
    def is_postgres(self) -> bool:
        """Whether it is a PostgreSQL server process."""
        return self.name == "postgres"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The same figure for the gateway and for its PostgreSQL."""

    own: float
    postgres: float

    def since(self, before: "Cost") -> "Cost":
        """What was added since an earlier moment."""
        return Cost(own=self.own - before.own, postgres=self.postgres - before.postgres)


def tree(root: int) -> list[Process]:
    """The living processes of the tree that starts at `root`."""
    table = {process.pid: process for process in _all()}
    return [process for process in table.values() if _belongs(process, root, table)]


def cpu_seconds(root: int) -> Cost:
    """User and system time of the tree so far, ended processes included."""
    processes = tree(root)
    return Cost(
        own=sum(process.cpu for process in processes if not process.is_postgres),
        postgres=sum(process.cpu for process in processes if process.is_postgres),
    )


def memory_bytes(root: int) -> Cost:
    """Proportional set size: shared pages are divided among those who share them."""
    own = postgres = 0
    for process in tree(root):
        size = _proportional_size(process.pid)
        if process.is_postgres:
            postgres += size
        else:
            own += size
    return Cost(own=own, postgres=postgres)


def pin_postgres(root: int, *cores: int) -> int:
    """Bind the tree's PostgreSQL to these cores; returns how many of its processes there are.

    The parent first: whatever it starts from then on is born on the right core.
    """
    found = sorted((process for process in tree(root) if process.is_postgres), key=lambda each: each.pid)
    for process in found:
        os.sched_setaffinity(process.pid, cores)
    for process in tree(root):
        if process.is_postgres:
            os.sched_setaffinity(process.pid, cores)
    return len(found)


def _all() -> Iterator[Process]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            own = _own_cpu_seconds(int(folder.name))
        except OSError:  # it has ended
            continue
        head, _, tail = text.rpartition(")")
        fields = tail.split()
        yield Process(
            pid=int(folder.name),
            parent=int(fields[1]),
            session=int(fields[3]),
            name=head.partition("(")[2],
            cpu=own + sum(int(ticks) for ticks in fields[13:15]) / _TICKS,
        )


def _own_cpu_seconds(pid: int) -> float:
    """All threads of a process, the ended ones too, in nanoseconds' precision.

    The clock's number is made as `clock_getcpuclockid` makes it on Linux; stat(5) would give whole ticks of
    10 ms, too coarse for a contestant that is hardly busy.
    """
    return time.clock_gettime((~pid << 3) | 2)


def _belongs(process: Process, root: int, table: dict[int, Process]) -> bool:
    if process.session == root:
        return True
    at: Process | None = process
    while at is not None:
        if at.pid == root:
            return True
        at = table.get(at.parent)
    return False


def _proportional_size(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in lines:
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
