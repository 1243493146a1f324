"""What the database has of the calls."""

import time
from collections import Counter
from pathlib import Path

import asyncpg

from dwctl.db.embedded import EmbeddedPostgres
from dwctl.requests.record import State

SETTLED_WITHIN = 30.0
_ROWS = """
    select r.id, r.state, r.status_code, b.request
    from requests r left join request_bodies b on b.id = r.id
"""
_LOCKS_WAITED_FOR = "select count(*) from pg_locks where not granted"


async def rows_of(home: Path, at_least: int = 0, living: int = 1) -> list[asyncpg.Record]:
    """Every row, once there are enough, dead processes' spools are taken over and none of their calls is open."""
    dsn = EmbeddedPostgres(home).running_dsn()
    if dsn is None:
        raise AssertionError("the embedded server does not run")
    connection = await asyncpg.connect(dsn)
    end = time.monotonic() + SETTLED_WITHIN
    try:
        while True:
            spools = len(list((home / "spool").iterdir()))
            rows = await connection.fetch(_ROWS)
            if (
                spools == living
                and len(rows) >= at_least
                and all(row["state"] >= State.FAILED for row in rows)
            ):
                break
            if time.monotonic() > end:
                states = Counter(row["state"] for row in rows)
                raise AssertionError(
                    f"not settled after {SETTLED_WITHIN} s: {states}, wanted {at_least}, {spools} spools"
                )
        assert await connection.fetchval(_LOCKS_WAITED_FOR) == 0
        return rows
    finally:
        await connection.close()
