"""Streams: what a chunk costs, and how long the first one takes."""

from benchmarks.bars import Bar
from benchmarks.load import Load
from benchmarks.scenarios.load_scenario import LoadScenario
from benchmarks.scenarios.scenario import Column
from benchmarks.upstream import UpstreamOptions

COST = (
    Column(figure="cpu_us", heading="CPU µs/chunk", digits=2, compare="ratio"),
    Column(figure="chunks_per_second", heading="chunks/s", compare="ratio", more_is_better=True),
)
FIRST = (
    Column(figure="first_chunk_p50_ms", heading="first p50 ms", digits=2),
    Column(figure="first_chunk_p99_ms", heading="first p99 ms", digits=2),
)

SSE = LoadScenario(
    name="sse",
    title="streams at full speed: 64 at a time, closed loop, 50 chunks of 250 bytes each",
    load=Load(mode="sse", seconds=1),
    columns=(
        *COST,
        *FIRST,
        Column(figure="memory_mb", heading="PSS MB"),
        Column(figure="postgres_cpu_us", heading="PostgreSQL µs", digits=2),
        Column(figure="core_per_second", heading="a core's chunks/s", compare="ratio", more_is_better=True),
        Column(figure="load_core", heading="load core busy", digits=2),
    ),
    bars=(
        Bar(
            what="chunks a second, of nginx",
            figure="chunks_per_second",
            of=("nginx",),
            must=0.85,
            aim=1.0,
            at_least=True,
            unit=" x",
        ),
        Bar(
            what="... by what one core can do",
            figure="core_per_second",
            of=("nginx",),
            must=0.85,
            aim=1.0,
            at_least=True,
            unit=" x",
        ),
    ),
)

SSE_PACED = LoadScenario(
    name="sse-paced",
    title="streams at a model's pace: 100 at a time, 50 chunks, one every 20 ms",
    load=Load(mode="sse", seconds=1, connections=100),
    columns=(
        Column(figure="first_chunk_p50_ms", heading="first p50 ms", digits=2, compare="difference"),
        Column(figure="first_chunk_p99_ms", heading="first p99 ms", digits=2),
        Column(figure="chunk_gap_p99_ms", heading="gap p99 ms", digits=2),
        *COST,
    ),
    upstream=UpstreamOptions(pace_ms=20),
)
