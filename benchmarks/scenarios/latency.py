"""What a gateway adds to each call when it is not busy."""

from benchmarks.bars import Bar
from benchmarks.load import Load
from benchmarks.scenarios.load_scenario import LoadScenario
from benchmarks.scenarios.scenario import Column

COLUMNS = (
    Column(figure="latency_p50_ms", heading="p50 ms", digits=3, compare="difference"),
    Column(figure="latency_p99_ms", heading="p99 ms", digits=3, compare="difference"),
    Column(figure="requests_per_second", heading="requests/s"),
    Column(figure="cpu_us", heading="CPU µs/request", digits=1),
)

BARS = (
    Bar(
        what="p50 over direct",
        figure="latency_p50_ms",
        of=("direct",),
        how="difference",
        must=0.6,
        unit=" ms",
        digits=3,
    ),
)
"""The aim is nginx's own, which the table shows."""


def at(rate: int) -> LoadScenario:
    """An open loop: requests arrive at the rate whether or not replies do."""
    return LoadScenario(
        name=f"latency-{rate}",
        title=f"chat completions, not streamed, {rate} a second, open loop: latency from when each was due",
        load=Load(seconds=1, connections=256, rate=rate),
        columns=COLUMNS,
        bars=BARS if rate == 100 else (),
    )
