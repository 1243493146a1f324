"""How many rows dwctl has committed, asked of its own PostgreSQL."""

import asyncio
import time
from pathlib import Path

import asyncpg

from benchmarks.failures import Broken
from dwctl.db.embedded import EmbeddedPostgres
from dwctl.requests.record import State

COMMITTED_WITHIN = 5.0
"""Seconds after the last answer in which its row must be committed."""
BY_STATE = "select state, count(*) from requests group by state"


async def count(data: Path, answered: int, within: float) -> tuple[int, int, float]:
    """(rows, completed rows, seconds waited), as soon as enough are completed, or after the last moment."""
    dsn = EmbeddedPostgres(data).running_dsn()
    if dsn is None:
        raise Broken(f"no PostgreSQL runs in {data}")
    began = time.monotonic()
    connection = await asyncpg.connect(dsn)
    try:
        while True:
            by_state = {State(row["state"]): int(row["count"]) for row in await connection.fetch(BY_STATE)}
            completed = by_state.get(State.COMPLETED, 0)
            waited = time.monotonic() - began
            if completed >= answered or waited > within:
                return sum(by_state.values()), completed, waited
            await asyncio.sleep(0.1)
    finally:
        await connection.close()
