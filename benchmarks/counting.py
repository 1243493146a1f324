"""How many rows dwctl has committed, asked of its own PostgreSQL."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks.failures import Broken
from dwctl.db.embedded import EmbeddedPostgres
from dwctl.requests.record import State

COMMITTED_WITHIN = 5.0
"""Seconds after the last answer in which its row must be committed."""
BY_STATE = "select state, count(*) from requests group by state"


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What the table held at the end."""

    rows: int
    ended: int
    """Rows of calls that have ended, well or not: a stream that its client left is one."""
    completed: int
    waited: float
    """Seconds."""


async def count(data: Path, calls: int, within: float) -> Counted:
    """The rows, as soon as so many calls have ended in them, or after so many seconds."""
    dsn = EmbeddedPostgres(data).running_dsn()
    if dsn is None:
        raise Broken(f"no PostgreSQL runs in {data}")
    began = time.monotonic()
    connection = await asyncpg.connect(dsn)
    try:
        while True:
            by_state = Counter(
                {State(row["state"]): row["count"] for row in await connection.fetch(BY_STATE)}
            )
            counted = Counted(
                rows=by_state.total(),
                ended=sum(by_state[state] for state in State if state >= State.FAILED),
                completed=by_state[State.COMPLETED],
                waited=time.monotonic() - began,
            )
            if counted.ended >= calls or counted.waited > within:
                return counted
            await asyncio.sleep(0.1)
    finally:
        await connection.close()
