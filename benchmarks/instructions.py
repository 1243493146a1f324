"""How many instructions dwctl executes for a call: `python -m benchmarks.instructions --help`.

Runs the gateway under valgrind's callgrind, which counts them one by one, so that neither other processes nor the
machine's clock have a part in the figure. Two loads of different sizes are sent; the difference of their counts,
divided by the difference of their calls, is what one more call costs. PostgreSQL is not counted.

Some work is done so many times a second, whether calls come or not; under callgrind, where a second holds a fiftieth of
the calls, it would seem fifty times as much of a call as it is. So what is done for many calls together is done less
often, and the rest is counted while no calls come, right after the loads, and taken off by the time of each load.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from benchmarks import cores, programs
from benchmarks.contestants.contestant import Kind, Launch, Place, free_port
from benchmarks.contestants.dwctl import Dwctl, made
from benchmarks.failures import Broken, Unavailable
from benchmarks.load import Load, run_load
from benchmarks.running import Running
from benchmarks.scenarios.priced import FREE, PRICED
from benchmarks.upstream import Upstream, UpstreamOptions

_TOTALS = re.compile(r"^(?:totals|summary):\s+(\d+)", re.MULTILINE)
CONNECTIONS = 8
PACED_CONNECTIONS = 100
PACE_MS = 100
"""Between two chunks of a paced stream: long enough for each to be read before the next one comes."""
WARM_UP = 200
"""Calls before the first count: what is done once for each connection and line of a head."""
SLOWER = (("DWCTL_RECORDING__FLUSH_INTERVAL_MS", "1000"), ("DWCTL_RESERVATIONS__AHEAD", "60"))
"""Settings by which as many calls share a statement of the writer, or a report of credit, as at full speed."""
IDLE = 5.0
"""Seconds in which is counted what happens by itself; fewer than those after which idle credit goes back."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Calls of one load and the instructions from its begin to its end."""

    calls: int
    instructions: int
    """Without those of the time that went by."""


@dataclass(frozen=True, kw_only=True)
class Instrumented:
    """dwctl under callgrind."""

    dump: Path
    """Where callgrind writes its counts; each one gets a number behind it."""
    plain: Dwctl
    """What is run."""
    kind: Kind = "ours"

    @property
    def name(self) -> str:
        """Its logs are called so."""
        return f"{self.plain.name}-callgrind"

    def prepare(self, cache: Path) -> None:
        """Raises `Unavailable` without valgrind."""
        del cache  # nothing is installed
        if shutil.which("valgrind") is None or shutil.which("callgrind_control") is None:
            raise Unavailable("valgrind is needed to count instructions; on Debian: apt-get install valgrind")

    def launch(self, place: Place) -> Launch:
        """The same start, one level deeper."""
        plain = replace(self.plain, settings=(*self.plain.settings, *SLOWER)).launch(place)
        at = plain.command.index(sys.executable)
        valgrind = ("valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={self.dump}")
        return replace(plain, command=(*plain.command[:at], *valgrind, *plain.command[at:]))


def slope(counted: Sequence[Counted]) -> float:
    """Instructions for one more call: the line through the least and the greatest load."""
    least, most = min(counted, key=lambda each: each.calls), max(counted, key=lambda each: each.calls)
    if least.calls == most.calls:
        raise ValueError("two loads of different sizes are needed")
    return (most.instructions - least.instructions) / (most.calls - least.calls)


def total_of(dump: str) -> int:
    """The instructions that one of callgrind's files tells; raises `Broken` when it tells none."""
    found = _TOTALS.search(dump)
    if found is None:
        raise Broken("callgrind has written no total")
    return int(found[1])


def count(load: Load, sizes: Sequence[int], options: UpstreamOptions, plain: Dwctl) -> list[Counted]:
    """One load for each size, one after the other."""
    built, chosen = programs.build(), cores.choose()
    with (
        tempfile.TemporaryDirectory(prefix="dwctl-bench-") as scratch,
        Upstream(built.upstream, options, core=chosen.load) as upstream,
    ):
        folder = Path(scratch)
        folder.chmod(0o755)
        contestant = Instrumented(dump=folder / "callgrind.out", plain=plain)
        contestant.prepare(folder)
        place = Place(port=free_port(), upstream_port=upstream.port, scratch=folder, cache=folder)
        with Running(contestant, place, chosen) as running:
            counted: list[tuple[int, int, float]] = []
            for calls in (WARM_UP, *sizes):
                _dump(running)
                report = run_load(
                    built.loadgen, _sized(load, calls), running.door, upstream.options, core=chosen.load
                )
                if report.right != calls:
                    raise Broken(f"{calls - report.right} of {calls} calls failed: {report.failures}")
                _dump(running)
                counted.append((calls, _told(folder), report.elapsed))
            time.sleep(IDLE)
            _dump(running)
            return [without_idle(*each, _told(folder) / IDLE) for each in counted[1:]]


def without_idle(calls: int, instructions: int, seconds: float, idle: float) -> Counted:
    """What is the calls' own, where `idle` instructions a second are not."""
    return Counted(calls=calls, instructions=instructions - round(idle * seconds))


def _sized(load: Load, calls: int) -> Load:
    return Load(mode=load.mode, seconds=600, connections=load.connections, count=calls, timeout=120)


def _dump(running: Running) -> None:
    """Write what was counted since the last time, and begin at zero."""
    done = subprocess.run(
        ["callgrind_control", "--dump", str(running.pid)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Broken(f"callgrind does not answer: {done.stdout}{done.stderr}")


def _told(folder: Path) -> int:
    """The total of the last dump."""
    dumps = sorted(folder.glob("callgrind.out.*"), key=lambda each: int(each.suffix[1:]))
    if not dumps:
        raise Broken("callgrind has written nothing")
    return total_of(dumps[-1].read_text("utf-8"))


@click.command(help="Count the instructions that dwctl executes for a call. See docs/benchmarks.md.")
@click.option("--stream", is_flag=True, help="Streams of 50 chunks instead of plain calls.")
@click.option("--paced", is_flag=True, help="Such streams, each chunk in a read of its own.")
@click.option("--priced", is_flag=True, help="Of a model with a price, beside those of a free one.")
@click.option("--calls", default=2000, show_default=True, type=click.IntRange(100, 100_000))
def main(*, stream: bool, paced: bool, priced: bool, calls: int) -> None:
    """A small load and one that is larger by `calls`."""
    connections = PACED_CONNECTIONS if paced else CONNECTIONS
    load = Load(mode="sse" if stream or paced else "json", seconds=1, connections=connections)
    options = UpstreamOptions(pace_ms=PACE_MS if paced else 0)
    slopes = []
    for plain in (FREE, PRICED) if priced else (Dwctl(),):
        try:
            counted = count(load, (WARM_UP, WARM_UP + calls), options, plain)
        except (Broken, Unavailable) as error:
            print(f"instructions: {error}", file=sys.stderr)
            sys.exit(2)
        slopes.append(slope(counted))
        print(f"{plain.name}:")
        for each in counted:
            print(f"{each.calls:>8,} calls  {each.instructions:>16,} instructions")
        print(f"instructions for a {'stream' if load.mode == 'sse' else 'call'}: {slopes[-1]:,.0f}")
    print(made())
    if priced:
        print(f"a priced one against a free one: {slopes[1] / slopes[0]:.3f}")


if __name__ == "__main__":
    main()
