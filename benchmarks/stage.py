"""One contestant's turn: it runs, loads are sent through it, and what they cost is observed."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.cores import Cores, busy_seconds
from benchmarks.counting import COMMITTED_WITHIN, count
from benchmarks.load import Load, LoadReport, run_load
from benchmarks.processes import Cost
from benchmarks.programs import Programs
from benchmarks.running import Running
from benchmarks.upstream import Upstream

SETTLE_WITHIN = 2.0
_QUIET = 0.003
"""CPU seconds in a tenth of a second that still count as quiet: periodic work of an idle program."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One measured load."""

    report: LoadReport
    cpu: Cost
    """CPU seconds from the first request until the contestant was quiet again: put-off work counts."""
    memory: Cost
    """Bytes (PSS) right after."""
    upstream_requests: int
    """Requests for an answer that the upstream received meanwhile."""
    foreign: float
    """The most that processes outside of the benchmark took of either core, as a share of the time."""
    load_core: float
    """How much of its core load generator, upstream and PostgreSQL took, as a share of the time."""
    rows_missing: int | None
    """Calls that the upstream got, without an ended row when rows had had their time; None for who keeps none."""
    rows_after: float | None
    """Seconds from the last answer until every row was seen, or until patience ended."""
    beside: LoadReport | None = None
    """What came back of a second load that ran beside the first."""
    took: float
    """Seconds from the first request until the last answer."""
    busiest: float | None
    """The share of the gateway's busiest process in the CPU time of all its processes."""


class Stage:
    """A running contestant and everything that belongs to its turn."""

    def __init__(
        self,
        running: Running,
        upstream: Upstream,
        programs: Programs,
        cores: Cores,
        *,
        seconds: float,
        warm_up: float,
        rows_in: Path | None = None,
    ) -> None:
        self.seconds = seconds
        """How long a scenario measures."""
        self.warm_up = warm_up
        """How long it warms up."""
        self._rows_in = rows_in
        """The data directory of a contestant that keeps a row for each call."""
        self.running = running
        """Who is measured."""
        self._upstream = upstream
        self._programs = programs
        self._cores = cores

    def send(self, load: Load) -> LoadReport:
        """A load that nobody measures: the warm-up."""
        return run_load(
            self._programs.loadgen, load, self.running.door, self._upstream.options, core=self._cores.load
        )

    def observe(
        self, load: Load, *, beside: Load | None = None, meanwhile: Callable[[], None] | None = None
    ) -> Observation:
        """A load with all its costs. Raises `Broken` when the contestant has died of it.

        `beside` is a second load at the same time, `meanwhile` something that this process does until the end.
        """
        self.running.pin_postgres()
        requests = self._upstream.counts().inference
        before, began = self._moment(), time.monotonic()
        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(self.send, load)
            second = threads.submit(self.send, beside) if beside is not None else None
            if meanwhile is not None:
                meanwhile()
            report, other = first.result(), second.result() if second is not None else None
        after, took = self._moment(), time.monotonic() - began
        ended = time.monotonic()
        self._settle()
        self.running.check()
        cpu, memory = self._cpu().since(before.contestant), self._memory()
        missing, waited = self._rows(ended)
        return Observation(
            report=report,
            cpu=cpu,
            memory=memory,
            rows_missing=missing,
            rows_after=waited,
            upstream_requests=self._upstream.counts().inference - requests,
            foreign=self._foreign(before, after, _cpu_of(report) + _cpu_of(other)) / took,
            load_core=(after.load_busy - before.load_busy) / took,
            beside=other,
            took=took,
            busiest=_busiest(before.processes, after.processes),
        )

    def _foreign(self, before: "_Moment", after: "_Moment", loadgen: float) -> float:
        """Seconds that nobody here accounts for, on the core where there are more of them."""
        spent = after.contestant.since(before.contestant)
        ours = loadgen + spent.postgres + after.upstream - before.upstream + after.here - before.here
        on_load = after.load_busy - before.load_busy - ours
        on_contestant = after.contestant_busy - before.contestant_busy - spent.own
        if self.running.shares_the_load_core:
            return max(0.0, on_load + on_contestant)
        if self.running.pid is None:  # its core is nobody's concern
            return max(0.0, on_load)
        return max(0.0, on_load, on_contestant)

    def _rows(self, ended: float) -> tuple[int | None, float | None]:
        """Calls that are no ended row by the last moment, and when the last one was."""
        if self._rows_in is None:
            return None, None
        seen = self._upstream.counts().inference
        left = max(0.0, ended + COMMITTED_WITHIN - time.monotonic())
        counted = asyncio.run(count(self._rows_in, seen, left))
        return seen - counted.ended, time.monotonic() - ended

    def _settle(self) -> None:
        """Wait until work that was put off is done."""
        deadline = time.monotonic() + SETTLE_WITHIN
        last = self._cpu()
        while time.monotonic() < deadline:
            time.sleep(0.1)
            now = self._cpu()
            if now.own - last.own <= _QUIET and now.postgres - last.postgres <= _QUIET:
                return
            last = now

    def _cpu(self) -> Cost:
        pid = self.running.pid
        return Cost(own=0, postgres=0) if pid is None else processes.cpu_seconds(pid)

    def _memory(self) -> Cost:
        pid = self.running.pid
        return Cost(own=0, postgres=0) if pid is None else processes.memory_bytes(pid)

    def _moment(self) -> "_Moment":
        return _Moment(
            contestant=self._cpu(),
            upstream=processes.cpu_seconds(self._upstream.pid).own,
            load_busy=busy_seconds(self._cores.load),
            contestant_busy=busy_seconds(self._cores.contestant),
            here=time.process_time(),
            processes=self._processes(),
        )

    @property
    def aborted(self) -> int:
        """Connections that the upstream has seen end in the middle of an answer."""
        return self._upstream.counts().aborted

    def memory(self) -> Cost:
        """Bytes (PSS) of this moment."""
        return self._memory()

    def _processes(self) -> dict[int, float]:
        """CPU seconds of each of the gateway's own processes."""
        pid = self.running.pid
        if pid is None:
            return {}
        return {each.pid: each.cpu for each in processes.tree(pid) if not each.is_postgres}


@dataclass(frozen=True, kw_only=True)
class _Moment:
    """The clocks of everybody, read together."""

    contestant: Cost
    upstream: float
    load_busy: float
    contestant_busy: float
    here: float
    """This process's own CPU seconds: it is bound to the load's core."""
    processes: dict[int, float]


def _cpu_of(report: LoadReport | None) -> float:
    return 0.0 if report is None else report.cpu_seconds


def _busiest(before: dict[int, float], after: dict[int, float]) -> float | None:
    spent = [cpu - before.get(pid, 0.0) for pid, cpu in after.items()]
    return max(spent) / sum(spent) if sum(spent) > 0 else None
