"""Files and batches made in one go."""

from uuid import UUID

import pytest

from dwctl.core.errors import NotFound
from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.requests.batches.store import BatchStore, Template

OWNER = new_uuid()


async def made(store: BatchStore) -> UUID:
    """A file of one request."""
    template = Template(custom_id="a", path="/v1/chat/completions", model="m", body=b"{}")
    return await store.create_file("in.jsonl", [template], owner_id=OWNER, creator_id=OWNER)


async def batch_over(store: BatchStore, file_id: UUID) -> UUID:
    """A batch over it."""
    return await store.create_batch(
        file_id,
        endpoint="/v1/chat/completions",
        window="24h",
        owner_id=OWNER,
        creator_id=OWNER,
        key_id=None,
        run_key_id=OWNER,
    )


async def test_a_batch_over_a_file_that_lives(database: Database) -> None:
    store = BatchStore(database)
    file_id = await made(store)
    await database.execute("update files set expires_at = now() + interval '1 hour'")
    batch_id = await batch_over(store, file_id)
    (request,) = await store.get_batch_requests(batch_id)
    assert (request.line, request.custom_id, request.model) == (0, "a", "m")


async def test_no_batch_over_a_file_that_has_expired(database: Database) -> None:
    store = BatchStore(database)
    file_id = await made(store)
    await database.execute("update files set expires_at = now()")
    with pytest.raises(NotFound, match=str(file_id)):
        await batch_over(store, file_id)
    assert await database.fetch_value("select count(*) from batches") == 0
