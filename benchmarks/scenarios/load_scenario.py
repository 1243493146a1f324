"""A scenario that is one load: most of them."""

from dataclasses import dataclass, field, replace

from benchmarks.bars import Bar
from benchmarks.contestants.contestant import Contestant
from benchmarks.load import Load, Spread
from benchmarks.scenarios.scenario import Column, Figures
from benchmarks.stage import Observation, Stage
from benchmarks.upstream import UpstreamOptions


@dataclass(frozen=True, kw_only=True)
class LoadScenario:
    """Send one load and put down everything about it."""

    name: str
    title: str
    load: Load
    columns: tuple[Column, ...]
    upstream: UpstreamOptions = field(default_factory=UpstreamOptions)
    contestants: tuple[Contestant, ...] = ()
    bars: tuple[Bar, ...] = ()

    def measure(self, stage: Stage) -> Figures:
        """See `figures`. A load of counted requests is sent as it is, whatever time there is."""
        if self.load.count:
            return figures(stage.observe(self.load))
        stage.send(replace(self.load, seconds=stage.warm_up))
        return figures(stage.observe(replace(self.load, seconds=stage.seconds)))


def figures(seen: Observation) -> dict[str, float | None]:
    """CPU times in µs, latencies in ms, memory in MB. A unit is a chunk of a stream, else a request."""
    report = seen.report
    units = report.chunks if report.mode == "sse" else report.right
    has_program = seen.memory.own > 0
    cpu_us = _per(seen.cpu.own, units) if has_program else None
    has_postgres = seen.memory.postgres > 0
    return {
        "cpu_us": cpu_us,
        "core_per_second": 1e6 / cpu_us if cpu_us else None,
        "postgres_cpu_us": _per(seen.cpu.postgres, units) if has_postgres else None,
        "memory_mb": seen.memory.own / 1e6 if has_program else None,
        "postgres_memory_mb": seen.memory.postgres / 1e6 if has_postgres else None,
        "requests_per_second": report.per_second,
        "chunks_per_second": report.chunks_per_second if report.mode == "sse" else None,
        **_milliseconds("latency", report.latency_us),
        **_milliseconds("first_chunk", report.first_chunk_us),
        **_milliseconds("chunk_gap", report.chunk_gap_us),
        **_milliseconds("chunk_delay", report.chunk_delay_us),
        "requests": report.requests,
        "errors": sum(report.errors.values()),
        "unexplained": abs(seen.upstream_requests - report.requests),
        "rows_missing": seen.rows_missing,
        "rows_after_s": seen.rows_after,
        "upstream_requests": seen.upstream_requests,
        "foreign": seen.foreign,
        "load_core": seen.load_core,
        "busiest_share": seen.busiest,
    }


def _per(cpu_seconds: float, units: int) -> float | None:
    return cpu_seconds * 1e6 / units if units else None


def _milliseconds(name: str, spread: Spread | None) -> dict[str, float | None]:
    return {
        f"{name}_p50_ms": spread.p50 / 1e3 if spread else None,
        f"{name}_p99_ms": spread.p99 / 1e3 if spread else None,
    }
