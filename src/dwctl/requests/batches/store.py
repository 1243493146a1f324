"""Files and batches made in one go, from a list in memory.

The part of the reference's request manager (spec/responses §4.8, §4.9) that the response store uses. What people upload
goes another way, line by line (`engine/files`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from dwctl.core.errors import NotFound
from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.requests.batches.rows import BatchRows, NewBatch
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.windows import deadline_of

STEP = 5000
"""Lines that one transaction populates."""


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a file."""

    custom_id: str | None
    path: str
    model: str
    body: bytes


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
        self._rows = BatchRows()

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

    async def create_batch(
        self,
        file_id: UUID,
        *,
        endpoint: str,
        window: str,
        owner_id: UUID,
        creator_id: UUID,
        key_id: UUID | None,
        run_key_id: UUID,
    ) -> UUID:
        """Record a batch and populate it; raises `NotFound` for a file that is not there or holds no requests.

        Raises `ValueError` for a text that is no window.
        """
        seconds = (deadline_of(window) - datetime.now(UTC)).total_seconds()
        file = await self._database.fetch_row(self._sql["file_of_requests"], file_id)
        if file is None:
            raise NotFound(f"File not found, or without requests: {file_id}")
        new = NewBatch(
            id=new_uuid(),
            owner_id=owner_id,
            creator_id=creator_id,
            key_id=key_id,
            run_key_id=run_key_id,
            file_id=file_id,
            file_name=file["name"],
            total=file["lines"],
            models=file["models"],
            endpoint=endpoint,
            window=window,
            seconds=round(seconds),
        )
        async with self._database.transaction() as connection:
            await self._rows.begin(connection, new)
            await self._rows.finish(connection, new)
        while await self._queue.populate(new.id, STEP):
            pass
        return new.id

    async def get_batch_requests(self, batch_id: UUID, most: int = 1000) -> list[BatchRequest]:
        """Its requests in the order of their lines; none for a batch that is not there or not populated."""
        rows = await self._database.fetch(self._sql["requests_of"], batch_id, most)
        return [BatchRequest(*row.values()) for row in rows]
