"""The throughput of plain calls: what a request costs."""

from benchmarks.bars import Bar
from benchmarks.load import Load
from benchmarks.scenarios.load_scenario import LoadScenario
from benchmarks.scenarios.scenario import Column
from benchmarks.upstream import UpstreamOptions

COLUMNS = (
    Column(figure="cpu_us", heading="CPU µs/request", digits=1, compare="ratio"),
    Column(figure="requests_per_second", heading="requests/s"),
    Column(figure="latency_p50_ms", heading="p50 ms", digits=2),
    Column(figure="latency_p99_ms", heading="p99 ms", digits=2),
    Column(figure="memory_mb", heading="PSS MB"),
    Column(figure="postgres_cpu_us", heading="PostgreSQL µs", digits=1),
    Column(figure="postgres_memory_mb", heading="PostgreSQL MB"),
    Column(figure="rows_after_s", heading="all rows after s", digits=1),
)

JSON_1K = LoadScenario(
    name="json-1k",
    title="chat completions, not streamed: 64 connections, closed loop, 0.4 KB request, 1 KB reply",
    load=Load(seconds=1),
    columns=COLUMNS,
    bars=(
        Bar(what="CPU for a request, of nginx", figure="cpu_us", of=("nginx",), must=4.5, aim=2.8, unit=" x"),
        Bar(
            what="... of the better Rust router",
            figure="cpu_us",
            of=("vllm-router", "sglang-router"),
            must=0.65,
            aim=0.40,
            unit=" x",
        ),
        Bar(
            what="... of LiteLLM",
            figure="cpu_us",
            of=("litellm",),
            must=1 / 200,
            aim=1 / 400,
            unit=" x",
            digits=4,
        ),
        Bar(what="calls without a row in time", figure="rows_missing", must=0, digits=0),
    ),
)

JSON_32K = LoadScenario(
    name="json-32k",
    title="chat completions, not streamed: 64 connections, closed loop, 32 KB request, 32 KB reply",
    load=Load(seconds=1, body_bytes=32_768),
    columns=COLUMNS,
    upstream=UpstreamOptions(content=32_300),
)
