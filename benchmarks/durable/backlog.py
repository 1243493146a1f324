"""How fast one worker takes from a short queue and from a long one, in turn."""

import statistics
from collections.abc import Callable

from benchmarks.durable.stock import Stock, settle_down
from benchmarks.durable.working import Work, migrated, server, work

SHORT = 100_000
OWNERS = 20
BODY = 400
"""Bytes of a line's body."""
SHARE = 0.6
"""Of the short queue is taken at most, so that it stays one."""
Figures = dict[str, list[float]]


async def measure(
    *, pending: int, rounds: int, seconds: float, say: Callable[[str], None], few: int = SHORT
) -> Figures:
    """Figures of each round."""
    figures: Figures = {}
    async with server() as postgres, migrated(postgres, "short") as short, migrated(postgres, "long") as long:
        say(f"stub: {pending:,} requests are made to wait")
        stock, backlog = Stock(short), Stock(long)
        for _ in range(OWNERS):
            await backlog.add(pending // OWNERS, size=BODY)
        await settle_down(long)
        for number in range(rounds):
            missing = few - await stock.waiting()
            for _ in range(OWNERS):
                await stock.add(missing // OWNERS, size=BODY)
            await settle_down(short)
            say(f"round {number + 1}: stub: {few:,} wait")
            quick = await work(short, most=int(few * SHARE), seconds=seconds)
            say(f"round {number + 1}: stub: {await backlog.waiting():,} wait")
            many = await work(long, most=pending, seconds=seconds)
            _add(figures, "", quick)
            _add(figures, "long_", many)
            figures.setdefault("long_share", []).append(many.rate / quick.rate)
    return figures


def _add(figures: Figures, prefix: str, done: Work) -> None:
    for name, value in (
        ("rate", done.rate),
        ("own_us", done.own_us),
        ("postgres_us", done.postgres_us),
        ("claim_p50_ms", statistics.median(done.claims_ms)),
        ("claim_p99_ms", done.claim_p99_ms),
        ("claim_rows", done.requests / len(done.claims_ms)),
    ):
        figures.setdefault(prefix + name, []).append(value)
