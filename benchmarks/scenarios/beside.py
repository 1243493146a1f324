"""Small calls while others send very large prompts: does one client's megabyte cost another one time?"""

from benchmarks.bars import Bar
from benchmarks.contestants.contestant import Contestant
from benchmarks.load import Load
from benchmarks.scenarios.load_scenario import figures
from benchmarks.scenarios.scenario import Column, Figures
from benchmarks.stage import Stage
from benchmarks.upstream import UpstreamOptions

SMALL = 500
LARGE = 20


class Beside:
    """The small calls alone, then the same beside the large ones, in each turn."""

    name = "beside-1mb"
    title = f"{SMALL} calls of 1 KB a second, open loop, alone and beside {LARGE} prompts of 1 MB a second"
    upstream = UpstreamOptions()
    contestants: tuple[Contestant, ...] = ()
    columns = (
        Column(figure="p99_ratio", heading="p99 beside/alone", digits=2),
        Column(figure="alone_p99_ms", heading="alone p99 ms", digits=3),
        Column(figure="beside_p99_ms", heading="beside p99 ms", digits=3),
        Column(figure="alone_p50_ms", heading="alone p50 ms", digits=3),
        Column(figure="beside_p50_ms", heading="beside p50 ms", digits=3),
        Column(figure="large_p99_ms", heading="1 MB p99 ms", digits=2),
    )
    bars = (
        Bar(
            what="p99 of small calls beside 1 MB prompts, of alone",
            figure="p99_ratio",
            must=2.0,
            aim=1.3,
            unit=" x",
        ),
    )

    def measure(self, stage: Stage) -> Figures:
        """Half of the time each."""
        small = Load(seconds=stage.seconds / 2, connections=256, rate=SMALL, body_bytes=1_000)
        large = Load(seconds=stage.seconds / 2, connections=64, rate=LARGE, body_bytes=1_000_000)
        stage.send(Load(seconds=stage.warm_up))
        alone = figures(stage.observe(small))
        seen = stage.observe(small, beside=large)
        beside = figures(seen)
        other = seen.beside
        if other is None or other.latency_us is None:
            return beside | {"errors": float(large.rate)}
        before, after = alone["latency_p99_ms"], beside["latency_p99_ms"]
        return beside | {
            "p99_ratio": after / before if before and after else None,
            "alone_p50_ms": alone["latency_p50_ms"],
            "alone_p99_ms": before,
            "beside_p50_ms": beside["latency_p50_ms"],
            "beside_p99_ms": after,
            "large_p99_ms": other.latency_us.p99 / 1e3,
            "errors": (alone["errors"] or 0) + (beside["errors"] or 0) + sum(other.errors.values()),
            "unexplained": (alone["unexplained"] or 0)
            + abs(seen.upstream_requests - seen.report.requests - other.requests),
            "foreign": max(alone["foreign"] or 0, beside["foreign"] or 0),
        }


BESIDE_1MB = Beside()
