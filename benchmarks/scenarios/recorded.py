"""Bodies of 2 KB each way at nine tenths of what the writer can commit: nothing may be shed or refused."""

import re
import urllib.request

from benchmarks.bars import Bar
from benchmarks.contestants.contestant import Contestant
from benchmarks.contestants.dwctl import Dwctl
from benchmarks.load import Load
from benchmarks.scenarios.load_scenario import figures
from benchmarks.scenarios.scenario import Column, Figures
from benchmarks.stage import Stage
from benchmarks.upstream import UpstreamOptions

SHARE = 0.9
_SHED = re.compile(r"^dwctl_spool_bodies_shed_total(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


class Recorded:
    """First at full speed, which shows the limit; then at a share of it."""

    name = "recorded-2k"
    title = "plain calls with 2 KB both ways, open loop, at 90 % of what the writer commits at full speed"
    upstream = UpstreamOptions(content=1_600)
    contestants: tuple[Contestant, ...] = (Dwctl(),)
    columns = (
        Column(figure="requests_per_second", heading="requests/s"),
        Column(figure="limit_per_second", heading="writer's limit"),
        Column(figure="errors", heading="errors"),
        Column(figure="shed", heading="shed"),
        Column(figure="rows_missing", heading="rows missing"),
        Column(figure="rows_after_s", heading="all rows after s", digits=2),
        Column(figure="latency_p99_ms", heading="p99 ms", digits=2),
        Column(figure="cpu_us", heading="CPU µs/request", digits=1),
        Column(figure="memory_mb", heading="PSS MB"),
    )
    bars = (
        Bar(what="calls that failed at 90 % of the writer's limit", figure="errors", must=0, digits=0),
        Bar(what="... whose bodies were shed", figure="shed", must=0, digits=0),
        Bar(what="... without a row in time", figure="rows_missing", must=0, digits=0),
    )

    def measure(self, stage: Stage) -> Figures:
        """The limit is what was committed by the time that it took until everything was."""
        stage.send(Load(seconds=stage.warm_up, body_bytes=2_048))
        full = stage.observe(Load(seconds=stage.seconds, body_bytes=2_048))
        limit = full.report.requests / (full.took + (full.rows_after or 0.0))
        before = _shed(stage)
        seen = stage.observe(
            Load(seconds=stage.seconds, connections=256, rate=int(limit * SHARE), body_bytes=2_048)
        )
        return figures(seen) | {"limit_per_second": limit, "shed": _shed(stage) - before}


def _shed(stage: Stage) -> float:
    """Bodies that were left out so far, as the page of metrics tells."""
    with urllib.request.urlopen(
        f"http://127.0.0.1:{stage.running.door.port}/internal/metrics", timeout=10
    ) as page:
        return sum(float(value) for value in _SHED.findall(page.read().decode()))


RECORDED_2K = Recorded()
