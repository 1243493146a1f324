"""Files and batches made in one go, from a list in memory.

The part of the reference's request manager (spec/responses §4.8, §4.9) that the response store uses. What people upload
goes another way, line by line (`engine/files`).
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from dwctl.core.errors import NotFound
from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.requests.queue.store import QueueStore

STEP = 5000
"""Lines that one transaction populates."""


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a file."""

    custom_id: str | None
    path: str
    model: str
    body: bytes


class NewBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch is made of."""

    file_id: UUID
    endpoint: str
    completion_window: str
    expires_at: datetime
    owner_id: UUID
    creator_id: UUID
    key_id: UUID | None
    run_key_id: UUID
    """The key as which its requests run."""


class BatchRequest(msgspec.Struct, frozen=True):
    """A request of a batch, without its bodies."""

    id: UUID
    line: int
    custom_id: str
    model: str
    state: int
    attempt: int
    status_code: int | None
    running: bool


class BatchStore:
    """Small files and their batches."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)
        self._queue = QueueStore(database)

    async def create_file(
        self, name: str, templates: Sequence[Template], *, owner_id: UUID, creator_id: UUID
    ) -> UUID:
        """A file with these requests, in this order; all or nothing."""
        file_id = new_uuid()
        await self._database.execute(
            self._sql["insert_file"],
            file_id,
            name,
            owner_id,
            creator_id,
            [template.custom_id or "" for template in templates],
            [template.model for template in templates],
            [template.path for template in templates],
            [template.body for template in templates],
        )
        return file_id

    async def create_batch(self, batch: NewBatch) -> UUID:
        """Record a batch and populate it; raises `NotFound` for a file that is not there or holds no requests."""
        batch_id = new_uuid()
        made = await self._database.fetch_value(
            self._sql["insert_batch"],
            batch_id,
            batch.file_id,
            batch.owner_id,
            batch.creator_id,
            batch.key_id,
            batch.run_key_id,
            batch.endpoint,
            batch.completion_window,
            new_uuid(),
            new_uuid(),
            batch.expires_at,
        )
        if made is None:
            raise NotFound(f"File not found, or without requests: {batch.file_id}")
        while await self._queue.populate(batch_id, STEP):
            pass
        return batch_id

    async def get_batch_requests(self, batch_id: UUID, most: int = 1000) -> list[BatchRequest]:
        """Its requests in the order of their lines; none for a batch that is not there or not populated."""
        rows = await self._database.fetch(self._sql["requests_of"], batch_id, most)
        return [BatchRequest(*row.values()) for row in rows]
