"""Which core runs what, and how busy a core was.

The load generator, the fake upstream and PostgreSQL share one core; the contestant has the other one alone.
"""

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.failures import Unavailable

_TICKS = os.sysconf("SC_CLK_TCK")
_BUSY = (0, 1, 2, 5, 6, 7)
"""Columns of /proc/stat: user, nice, system, irq, softirq, steal."""


@dataclass(frozen=True, kw_only=True)
class Cores:
    """Numbers of the two cores."""

    load: int
    contestant: int


def choose() -> Cores:
    """The first two cores that this process may use; `Unavailable` when there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise Unavailable("two cores are needed: one for the contestant, one for everything else")
    if shutil.which("taskset") is None:
        raise Unavailable("taskset is needed to pin processes; on Debian: apt-get install util-linux")
    return Cores(load=usable[0], contestant=usable[1])


def pinned(core: int | Sequence[int], command: Sequence[str]) -> list[str]:
    """The command, bound to a core (or to several) together with everything that it starts."""
    cores = [core] if isinstance(core, int) else core
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]


def go_first(pid: int) -> bool:
    """Let a program that measures run as soon as it is woken, whatever else is under way; whether that is allowed.

    Else what it waits for a processor counts as the contestant's time. It must need little.
    """
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        return False
    return True


def busy_seconds(core: int) -> float:
    """Seconds since the machine's start in which the core ran anything."""
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            return sum(int(fields[column]) for column in _BUSY) / _TICKS
    raise Unavailable(f"/proc/stat knows no core {core}")


def release(pid: int) -> None:
    """Let a process run on every core that this one may use."""
    with contextlib.suppress(ProcessLookupError):
        os.sched_setaffinity(pid, os.sched_getaffinity(0))
