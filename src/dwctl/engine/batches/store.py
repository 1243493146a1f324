"""Batches in PostgreSQL."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries
from dwctl.db.replica import Reading
from dwctl.engine.batches.structs import BatchRow, FileRow, ModelRow, ResultRow
from dwctl.requests.batches.rows import BatchRows, NewBatch


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which batches; None does not narrow."""

    owner: UUID | None = None
    creator: UUID | None = None
    search: str | None = None
    status: str | None = None
    windows: list[str] | None = None
    after: datetime | None = None
    before: datetime | None = None
    active_first: bool = False
    endpoint: str | None = None
    model: str | None = None


class Place(msgspec.Struct, frozen=True):
    """Where a list goes on: behind this batch."""

    created_at: datetime
    id: UUID
    active: bool


class BatchStore:
    """Rows of `batches`, and what a new one needs."""

    def __init__(self, database: Database, reading: Reading | None = None) -> None:
        self._database = database
        self._reading = reading or Reading(database)
        self._sql = Queries.load(__package__)
        self._rows = BatchRows()

    async def get(self, batch_id: UUID, owner: UUID | None) -> BatchRow | None:
        """A batch of this account, or of any."""
        row = await self._database.fetch_row(self._sql["get_batch"], batch_id, owner)
        return None if row is None else BatchRow(*row.values())

    async def place(self, batch_id: UUID, owner: UUID | None) -> Place | None:
        """Where a list goes on behind it; one that was deleted in the meantime still has its place."""
        row = await self._database.fetch_row(self._sql["place_of_batch"], batch_id, owner)
        return None if row is None else Place(row["created_at"], batch_id, row["active"])

    async def page(self, wanted: Wanted, place: Place | None, limit: int) -> list[BatchRow]:
        """The first so many behind a place: the newest first, or first those that go on, each part the newest first."""
        parts: Sequence[bool | None] = (None,)
        if wanted.active_first:
            parts = (True, False) if place is None or place.active else (False,)

        async def read(connection: Connection) -> list[BatchRow]:
            found: list[BatchRow] = []
            await connection.execute(self._sql["plan_for_these_values"])
            for part in parts:
                behind = place if part is None or (place is not None and place.active == part) else None
                rows = await connection.fetch(
                    self._sql["list_batches"],
                    wanted.owner,
                    wanted.creator,
                    wanted.search,
                    wanted.status,
                    wanted.windows,
                    wanted.after,
                    wanted.before,
                    part,
                    None if behind is None else behind.created_at,
                    None if behind is None else behind.id,
                    limit - len(found),
                    wanted.endpoint,
                    wanted.model,
                )
                found += [BatchRow(*row.values()) for row in rows]
                if len(found) >= limit:
                    break
            return found

        return await self._reading.may_lag.read(read)

    async def made_with(self, owner: UUID, creator: UUID, key: str) -> tuple[UUID, bytes] | None:
        """The batch that this Idempotency-Key made, and the digest of its body."""
        row = await self._database.fetch_row(self._sql["find_by_key"], owner, creator, key)
        return None if row is None else (row["id"], row["idempotency_digest"])

    async def balance(self, account_id: UUID) -> Decimal:
        """What an account has."""
        found: Decimal = await self._database.fetch_value(self._sql["balance"], account_id)
        return found

    async def file(self, file_id: UUID) -> FileRow | None:
        """A file that is there and has not expired, whoever owns it."""
        row = await self._database.fetch_row(self._sql["file_to_run"], file_id)
        return None if row is None else FileRow(*row.values())

    async def models(self, aliases: Sequence[str]) -> dict[str, ModelRow]:
        """Those that there are."""
        rows = await self._database.fetch(self._sql["models_named"], list(aliases))
        return {row["alias"]: ModelRow(*row.values()) for row in rows}

    async def create(self, new: NewBatch, admit: Callable[[Mapping[str, int]], None]) -> bool:
        """Make it, if `admit` does not raise for what is promised of its models; all or nothing.

        False when its Idempotency-Key has made one in the meantime.
        """
        models = sorted(new.models)
        async with self._database.transaction() as connection:
            if not await self._rows.begin(connection, new):
                return False
            await connection.execute(self._sql["lock_models"], models)
            rows = await connection.fetch(self._sql["promised"], models, float(new.seconds))
            promised = dict.fromkeys(models, 0)
            for row in rows:
                promised[row["model"]] += row["requests"]
            admit(promised)
            await self._rows.finish(connection, new)
        return True

    async def delete(self, batch_id: UUID) -> bool:
        """Hide it."""
        return await self._database.fetch_value(self._sql["delete_batch"], batch_id) is not None

    async def requests_of(self, batch_id: UUID, ids: Sequence[UUID]) -> dict[UUID, bool]:
        """Which of these are requests of the batch, and whether they have failed."""
        rows = await self._database.fetch(self._sql["requests_of_batch"], batch_id, list(ids))
        return {row["id"]: row["failed"] for row in rows}

    async def results(
        self,
        batch: BatchRow,
        lines: range,
        *,
        search: str | None,
        statuses: list[str] | None,
        most: int,
        most_bytes: int,
    ) -> list[ResultRow]:
        """Some of these lines in their order, and what has become of them."""
        asked = (batch.id, lines.start, search, most, most_bytes, statuses, lines.stop)
        ids = (batch.first_id, batch.last_id)
        source = self._reading.having(batch.completed_at or batch.failed_at or batch.cancelled_at)
        if batch.file_id is None:
            rows = await source.fetch(self._sql["results_without_file"], *asked, *ids)
        else:
            cancelled = batch.cancelled_at is not None
            rows = await source.fetch(self._sql["results"], *asked, batch.file_id, *ids, cancelled)
        return [ResultRow(*row.values()) for row in rows]
