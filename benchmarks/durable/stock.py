"""Batches to work on, written as SQL: many lines in little time, all populated and waiting."""

from uuid import UUID

import asyncpg

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.requests.queue.store import QueueStore

STEP = 5_000
"""Lines in one step of populating: the worker's default."""
MODEL = "bench"
RUN_KEY = b"bench".ljust(32)
"""SHA-256 of the hidden key of everybody."""
_LINES = """
insert into file_lines (file_id, line, custom_id, model, url, prefix, body)
select $1, n, 'line-' || n, $3, '/v1/chat/completions', 0,
    convert_to('{"model":"' || $3 || '","messages":[{"role":"user","content":"' || repeat('x', $4) || '"}]}', 'UTF8')
from generate_series(0, $2 - 1) n
"""
_USER = "insert into users (id, username, email) values ($1, $2, $2 || '@example.com')"
_KEY = """
insert into api_keys (id, secret_hash, secret_prefix, name, purpose, user_id, created_by, hidden)
values ($1, $2, 'sk-', 'bench', 'batch', $3, $3, true)
"""
_BATCH = """
insert into batches (
    id, owner_id, creator_id, run_key_id, file_id, endpoint, completion_window, output_file_id, error_file_id,
    expires_at, total, first_id, last_id
)
select $1, $2, $2, $3, $4, '/v1/chat/completions', '24h', gen_random_uuid(), gen_random_uuid(), now() + '1 day', $5,
    uuidv7_floor(now() - interval '1 ms'), uuidv7_floor(now() + interval '2 ms')
"""
_LANE = """
insert into lanes (tier, model, owner_id, creator_id, run_key_id, batch_id, completion_window, deadline, closed)
values ('batch', $3, $2, $2, $4, $1, '24h', now() + '1 day', true)
"""


class Stock:
    """Owners with a batch each."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store = QueueStore(database)
        self._run_key: UUID | None = None

    async def add(self, lines: int, *, size: int) -> UUID:
        """One more batch that waits, of a new owner, with bodies of about so many bytes; gives its id."""
        owner, batch_id, file_id = new_uuid(), new_uuid(), new_uuid()
        await self._database.execute(_USER, owner, str(owner))
        if self._run_key is None:
            self._run_key = new_uuid()
            await self._database.execute(_KEY, self._run_key, RUN_KEY, owner)
        await self._database.execute(_LINES, file_id, lines, MODEL, size)
        async with self._database.transaction() as connection:
            await connection.execute(_BATCH, batch_id, owner, self._run_key, file_id, lines)
            await connection.execute(_LANE, batch_id, owner, MODEL, self._run_key)
        while await self._store.populate(batch_id, STEP):
            pass
        return batch_id

    async def waiting(self) -> int:
        """Requests that wait or are being run, as the lanes count them."""
        count: int = await self._database.fetch_value("select coalesce(sum(live), 0)::bigint from lanes")
        return count


async def settle_down(database: Database) -> None:
    """What autovacuum would have done by the time that such a queue has come together."""
    connection = await asyncpg.connect(database.dsn)
    try:
        await connection.execute("vacuum (analyze) requests, queue, lanes, batches, file_lines, contents")
        await connection.execute("checkpoint")
    finally:
        await connection.close()
