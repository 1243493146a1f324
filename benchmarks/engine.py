"""What durable work costs, against the engine's bars: `python -m benchmarks.engine --help`.

Three parts. One worker with a stub in the gateway's place shows what claiming and settling cost, with a short and with
a long queue. A whole dwctl over HTTP, with a model that has a price and a fake model server behind it, shows uploads,
batches and downloads. The same with a model server of fixed capacity shows what interactive calls wait beside a batch,
and what the batch gives up for them. Nothing is pinned: worker and PostgreSQL share what cores there are.
"""

import statistics
import sys
from collections.abc import Sequence

import click
import uvloop

from benchmarks.bars import Bar, judge, verdict_table
from benchmarks.durable import backlog, beside, service
from benchmarks.failures import Broken, Unavailable

NAME = "engine"
FULL_PENDING, FULL_LINES = 10_000_000, 1_000_000
FULL_COPIES = 2
"""The file that is uploaded to be measured has two gigabytes then."""
HEADINGS = {
    "rate": "stub, 100,000 wait: requests/s",
    "own_us": "... CPU µs a request, worker",
    "postgres_us": "... CPU µs a request, PostgreSQL",
    "claim_rows": "... requests a claim",
    "claim_p50_ms": "... claim, p50 ms",
    "claim_p99_ms": "... claim, p99 ms",
    "long_rate": "stub, long queue: requests/s",
    "long_own_us": "... CPU µs a request, worker",
    "long_postgres_us": "... CPU µs a request, PostgreSQL",
    "long_claim_rows": "... requests a claim",
    "long_claim_p50_ms": "... claim, p50 ms",
    "long_claim_p99_ms": "... claim, p99 ms",
    "long_share": "... rate against the short queue's",
    "ingest_rate": "upload: lines/s",
    "ingest_own_us": "... CPU µs a line, dwctl",
    "ingest_postgres_us": "... CPU µs a line, PostgreSQL",
    "ingest_mb": "... MB that it adds to dwctl",
    "alone_p99_ms": "interactive calls alone: p99 ms",
    "upload_p99_ms": "... beside uploads: p99 ms",
    "upload_p99_ratio": "... against alone",
    "created_s": "batch: s until it is populated, for a million lines",
    "created_postgres_us": "... CPU µs a line, PostgreSQL",
    "http_rate": "pipeline with charges: requests/s",
    "http_own_us": "... CPU µs a request, dwctl",
    "http_postgres_us": "... CPU µs a request, PostgreSQL",
    "download_rate": "download: lines/s",
    "download_mb": "... MB that it adds to dwctl",
    "beside_p99_ratio": "interactive calls: first token, p99 beside a batch/alone",
    "beside_alone_p99_ms": "... alone, p99 ms",
    "beside_p99_ms": "... beside, p99 ms",
    "beside_given_up": "... share of what they leave that the batch did not use",
    "beside_yield_s": "... s until the batch had made room for the first of them",
}
BARS = (
    Bar(what="stub: requests a second", figure="rate", must=8_000, at_least=True, digits=0),
    Bar(what="long queue: rate against 100,000", figure="long_share", must=0.8, at_least=True, unit=" x"),
    Bar(what="long queue: claim, p99", figure="long_claim_p99_ms", must=25, unit=" ms", digits=1),
    Bar(what="upload: lines of 1 KB a second", figure="ingest_rate", must=50_000, at_least=True, digits=0),
    Bar(what="upload adds to memory", figure="ingest_mb", must=100, unit=" MB", digits=0),
    Bar(what="interactive p99 beside uploads, against alone", figure="upload_p99_ratio", must=1.5, unit=" x"),
    Bar(what="batch of a million lines is populated", figure="created_s", must=20, unit=" s", digits=1),
    Bar(
        what="pipeline over HTTP with charges: requests a second",
        figure="http_rate",
        must=3_000,
        at_least=True,
        digits=0,
    ),
    Bar(what="download adds to memory", figure="download_mb", must=100, unit=" MB", digits=0),
    Bar(
        what="first token beside a saturating batch, p99 of alone",
        figure="beside_p99_ratio",
        must=1.5,
        unit=" x",
    ),
)
PARTS = {
    "stub": ("rate", "long_share", "long_claim_p99_ms"),
    "http": ("ingest_rate", "ingest_mb", "upload_p99_ratio", "created_s", "http_rate", "download_mb"),
    "beside": ("beside_p99_ratio",),
}
"""The figures of each that have a bar."""


def table(figures: backlog.Figures) -> str:
    """A line for each figure: median, lowest and highest round."""
    width = max(map(len, HEADINGS.values()))
    lines = [f"  {'figure'.ljust(width)}  {'median':>10}  {'lowest':>10}  {'highest':>10}"]
    for name, values in figures.items():
        shown = (statistics.median(values), min(values), max(values))
        lines.append(
            f"  {HEADINGS[name].ljust(width)}  " + "  ".join(f"{_number(each):>10}" for each in shown)
        )
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.2f}"


@click.command(help=__doc__)
@click.option("--part", type=click.Choice(["all", *PARTS]), default="all", help="Which part to measure.")
@click.option("--pending", default=1_000_000, help="Requests that wait in the long queue.")
@click.option("--lines", default=100_000, help="Lines of the file that is uploaded.")
@click.option(
    "--full",
    is_flag=True,
    help="10,000,000 waiting requests, an upload of 2 GB, a batch of 1,000,000 lines; an hour.",
)
@click.option("--rounds", default=3, help="How often each part is measured.")
@click.option("--seconds", default=10.0, help="How long the stub's measurements last at most.")
def main(part: str, pending: int, lines: int, *, full: bool, rounds: int, seconds: float) -> None:
    """Measure and print."""
    copies = 1
    if full:
        pending, lines, copies = FULL_PENDING, FULL_LINES, FULL_COPIES
    figures: backlog.Figures = {}
    try:
        if part in ("all", "stub"):
            figures |= uvloop.run(backlog.measure(pending=pending, rounds=rounds, seconds=seconds, say=_say))
        if part in ("all", "http"):
            figures |= service.measure(lines=lines, rounds=rounds, say=_say, copies=copies)
        if part in ("all", "beside"):
            figures |= beside.measure(rounds=rounds, say=_say)
    except (Broken, Unavailable) as error:
        print(f"engine: {error}", file=sys.stderr)
        sys.exit(2)
    print(table(figures))
    medians = {"dwctl": {name: statistics.median(values) for name, values in figures.items()}}
    print(f"\n{verdict_table(judge(NAME, _measured(part), medians))}")


def _measured(part: str) -> Sequence[Bar]:
    return [bar for bar in BARS if part == "all" or bar.figure in PARTS[part]]


def _say(text: str) -> None:
    """Progress goes to the error stream, so that the tables can be redirected."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
