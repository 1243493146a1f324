"""Many streams at once: what each of them costs in memory, and how long a token takes through the gateway."""

import time
from dataclasses import dataclass

from benchmarks.bars import Bar
from benchmarks.contestants.contestant import Contestant
from benchmarks.contestants.direct import Direct
from benchmarks.contestants.dwctl import Dwctl
from benchmarks.contestants.nginx import Nginx
from benchmarks.load import Load
from benchmarks.processes import Cost
from benchmarks.scenarios.load_scenario import LoadScenario, figures
from benchmarks.scenarios.scenario import Column, Figures
from benchmarks.stage import Stage
from benchmarks.upstream import UpstreamOptions

STREAMS = 5_000
RAMP = 9.97
"""Seconds in which the streams begin: evenly over the time between two chunks, as users come."""
MANY = (("DWCTL_GATEWAY__UPSTREAM__MAX_CONNECTIONS", str(2 * STREAMS)),)
"""The default allows 1,024 connections to one model server."""
CONTESTANTS: tuple[Contestant, ...] = (Direct(), Nginx(), Dwctl(settings=MANY))


def paced(seconds: int, streams: int = STREAMS, ramp: float = RAMP) -> LoadScenario:
    """Each stream gives five chunks a second for so many seconds, stamped with the time of their writing."""
    return LoadScenario(
        name=f"streams-{streams}",
        title=f"{streams:,} streams at once, each 5 chunks a second for {seconds} s: every chunk's time on its way",
        load=Load(
            mode="sse",
            seconds=ramp + 1,
            connections=streams,
            count=streams,
            ramp=ramp,
            timeout=seconds + 60,
            # What it waits for a processor beside PostgreSQL is no delay of a token.
            first=True,
        ),
        columns=(
            Column(figure="chunk_delay_p99_ms", heading="delay p99 ms", digits=2, compare="difference"),
            Column(figure="chunk_delay_p50_ms", heading="p50 ms", digits=2, compare="difference"),
            Column(figure="errors", heading="wrong streams"),
            Column(figure="cpu_us", heading="CPU µs/chunk", digits=1),
            Column(figure="chunks_per_second", heading="chunks/s"),
            Column(figure="memory_mb", heading="PSS MB"),
        ),
        upstream=UpstreamOptions(chunks=5 * seconds, pace_ms=200, stamp=True),
        contestants=CONTESTANTS,
        bars=(
            Bar(what="streams with bytes lost or out of order", figure="errors", must=0, digits=0),
            Bar(
                what="delay of a token over direct, p99",
                figure="chunk_delay_p99_ms",
                of=("direct",),
                how="difference",
                must=2.0,
                aim=0.5,
                unit=" ms",
            ),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class IdleStreams:
    """Streams that have begun and say nothing for a while: what the gateway holds for each."""

    streams: int = STREAMS
    ramp: float = RAMP

    contestants: tuple[Contestant, ...] = CONTESTANTS[1:]
    columns = (
        Column(figure="stream_kb", heading="KB/stream", digits=1, compare="ratio"),
        Column(figure="before_mb", heading="PSS before MB", digits=1),
        Column(figure="memory_mb", heading="PSS after MB", digits=1),
        Column(figure="errors", heading="wrong streams"),
    )
    bars = (
        Bar(what="memory of an idle stream", figure="stream_kb", must=20, aim=10, unit=" KB", digits=1),
        Bar(what="memory of a worker", figure="before_mb", must=90, aim=60, unit=" MB", digits=1),
    )

    @property
    def name(self) -> str:
        """As the command line knows it."""
        return f"idle-{self.streams}"

    @property
    def title(self) -> str:
        """What happens, in a line."""
        return f"{self.streams:,} streams that have begun and then wait: memory for each"

    @property
    def upstream(self) -> UpstreamOptions:
        """The first event at once, the next one long after everybody has begun."""
        return UpstreamOptions(chunks=1, pace_ms=int(self.ramp * 2000))

    def measure(self, stage: Stage) -> Figures:
        """A few calls first, so that what is made at the first call is not counted as the streams'."""
        stage.send(Load(mode="sse", seconds=1, connections=8, count=8, timeout=120))
        before = stage.memory()
        during: list[Cost] = []

        def look() -> None:
            time.sleep(self.ramp * 1.5)
            during.append(stage.memory())

        load = Load(
            mode="sse",
            seconds=self.ramp + 1,
            connections=self.streams,
            count=self.streams,
            ramp=self.ramp,
            timeout=self.ramp * 8,
        )
        seen = stage.observe(load, meanwhile=look)
        grown = during[0].own - before.own
        return figures(seen) | {"before_mb": before.own / 1e6, "stream_kb": grown / self.streams / 1e3}


STREAMS_5000 = paced(60)
IDLE_5000 = IdleStreams()
