"""Two workers beside one: what the second one costs, and how evenly they share the load."""

from benchmarks.bars import Bar
from benchmarks.contestants.dwctl import Dwctl
from benchmarks.load import Load
from benchmarks.scenarios.load_scenario import LoadScenario
from benchmarks.scenarios.scenario import Column

RATE = 6_000
ONE = Dwctl(name="dwctl-1-worker", both_cores=True)
TWO = Dwctl(name="dwctl-2-workers", workers=2, both_cores=True)

WORKERS = LoadScenario(
    name="workers-2",
    title=f"plain calls, {RATE:,} a second over 64 connections, every process free to run on both cores",
    load=Load(seconds=1, rate=RATE),
    columns=(
        Column(figure="cpu_us", heading="CPU µs/request", digits=1),
        Column(figure="busiest_share", heading="busiest's share", digits=3),
        Column(figure="latency_p50_ms", heading="p50 ms", digits=2),
        Column(figure="latency_p99_ms", heading="p99 ms", digits=2),
        Column(figure="requests_per_second", heading="requests/s"),
        Column(figure="memory_mb", heading="PSS MB"),
    ),
    contestants=(ONE, TWO),
    bars=(
        Bar(
            what="CPU for a request, two workers of one",
            figure="cpu_us",
            contestant=TWO.name,
            of=(ONE.name,),
            must=1.1,
            aim=1.03,
            unit=" x",
        ),
        Bar(
            what="the busier worker's share of the CPU time",
            figure="busiest_share",
            contestant=TWO.name,
            must=0.60,
            aim=0.55,
        ),
    ),
)
