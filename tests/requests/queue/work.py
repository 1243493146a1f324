"""Files and batches for tests of the queue, made as the engine makes them."""

from datetime import timedelta
from uuid import UUID

from dwctl.core.ids import new_id, new_uuid
from dwctl.db.postgres import Database
from dwctl.requests.queue.structs import Claimed, Settled
from dwctl.requests.record import Record, State


async def add_file(database: Database, lines: int, *, models: int, owner: UUID) -> UUID:
    """A file of so many lines for as many models in turn."""
    file_id = new_uuid()
    counts = {f"model-{n}": {"lines": len(range(n, lines, models))} for n in range(min(models, lines))}
    await database.execute(
        """insert into files (id, name, purpose, lines, models, owner_id, creator_id)
        values ($1, 'in.jsonl', 'batch', $2, $4, $3, $3)""",
        file_id,
        lines,
        owner,
        counts,
    )
    await database.execute(
        """insert into file_lines (file_id, line, custom_id, model, url, prefix, body)
        select
            $1, n, 'line-' || n, 'model-' || n % $3, '/v1/chat/completions', 0, convert_to('{"n":' || n || '}', 'UTF8')
        from generate_series(0, $2 - 1) n""",
        file_id,
        lines,
        models,
    )
    return file_id


async def add_batch(
    database: Database,
    lines: int,
    *,
    models: int = 1,
    owner: UUID | None = None,
    window: timedelta = timedelta(hours=24),
) -> UUID:
    """A batch over a file of its own, that nothing has populated."""
    owner = owner or new_uuid()
    batch_id, key_id = new_uuid(), new_uuid()
    file_id = await add_file(database, lines, models=models, owner=owner)
    await database.execute(
        """insert into batches (
            id, owner_id, creator_id, run_key_id, file_id, endpoint, completion_window, output_file_id, error_file_id,
            expires_at, total, first_id, last_id
        )
        select $1, $2, $2, $3, $4, '/v1/chat/completions', '24h', gen_random_uuid(), gen_random_uuid(), now() + $6, $5,
            uuidv7_floor(now() - interval '1 ms'), uuidv7_floor(now() + interval '2 ms')""",
        batch_id,
        owner,
        key_id,
        file_id,
        lines,
        window,
    )
    await database.execute(
        """insert into lanes (
            tier, model, owner_id, creator_id, run_key_id, batch_id, completion_window, deadline, closed
        )
        select 'batch', 'model-' || n, $2, $2, $3, $1, '24h', now() + $5, true from generate_series(0, $4 - 1) n""",
        batch_id,
        owner,
        key_id,
        models,
        window,
    )
    return batch_id


def outcome(claimed: Claimed, verdict: int, *, owner: UUID) -> Settled:
    """What a run of it came to."""
    state = verdict or State.FAILED
    record = Record(
        id=str(claimed.id),
        created_at=1.0,
        path=claimed.path or "",
        model="model",
        owner_id=str(owner),
        creator_id=str(owner),
        key_id=new_id(),
        daemon_id=new_id(),
        attempt=claimed.attempt,
        state=state,
        completed_at=2.0,
        status_code=200 if state == State.COMPLETED else 500,
        prompt_tokens=1,
        completion_tokens=2,
        total_tokens=3,
    )
    return Settled(record=record, verdict=verdict, body=b'{"ok":1}' if verdict else None, size=10)
