"""Files in PostgreSQL. Every method is one transaction."""

from collections.abc import AsyncIterator, Collection, Sequence
from uuid import UUID

import msgspec

from dwctl.core.errors import Unavailable
from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries
from dwctl.db.replica import Reading
from dwctl.engine.files.lines import COLUMNS, COPY_HEAD, COPY_TAIL, ModelSum
from dwctl.engine.files.structs import FileRow, Outcome, OutcomeSource
from dwctl.requests.queue.store import QueueStore

PAGE_LINES = 500
PAGE_BYTES = 512 * 1024
"""One line may be more."""


class Access(msgspec.Struct, frozen=True):
    """What an uploader may reach."""

    groups: frozenset[str]
    models: frozenset[str] | None
    """The key's own list, if it has one."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which files a list has; None does not narrow."""

    owner: UUID | None = None
    creator: UUID | None = None
    after: UUID | None = None
    purpose: str | None = None
    search: str | None = None
    descending: bool = True


class FileStore:
    """Rows of files, their lines and pieces."""

    def __init__(self, database: Database, reading: Reading | None = None) -> None:
        self._database = database
        self._reading = reading or Reading(database)
        self._sql = Queries.load(__package__)
        self._queue = QueueStore(database)

    # Coming in

    async def access(self, owner_id: UUID, key_id: UUID | None) -> Access:
        """What the uploader may reach."""
        row = await self._database.fetch_row(self._sql["uploader_access"], owner_id, key_id)
        groups, models = (None, None) if row is None else row
        return Access(frozenset(map(str, groups or ())), None if models is None else frozenset(models))

    async def begin(
        self,
        file_id: UUID,
        name: str,
        *,
        owner_id: UUID,
        creator_id: UUID,
        key_id: UUID | None,
        daemon_id: UUID,
    ) -> None:
        """An upload begins."""
        await self._database.execute(
            self._sql["begin_upload"], file_id, name, owner_id, creator_id, key_id, daemon_id
        )

    async def copy_lines(
        self, file_id: UUID, rows: AsyncIterator[bytes], looking_from: int | None = None
    ) -> int:
        """Add lines, in binary COPY format without head and tail; how many.

        Those that are there from `looking_from` on are looked at, which spares whoever reads them first.
        """
        async with self._database.transaction() as connection:
            await self._hold(connection, file_id)
            if looking_from is not None:
                await connection.execute(self._sql["look_at_lines"], file_id, looking_from)
            told: str = await connection.copy_to_table(
                "file_lines", source=_framed(rows), columns=COLUMNS, format="binary"
            )
            return int(told.removeprefix("COPY "))

    async def add_piece(self, file_id: UUID, number: int, content: bytes) -> None:
        """Add a piece."""
        async with self._database.transaction() as connection:
            await self._hold(connection, file_id)
            await connection.execute(self._sql["add_piece"], file_id, number, content)

    async def drop_pieces(self, file_id: UUID) -> None:
        """The pieces of an upload have become lines."""
        async with self._database.transaction() as connection:
            await self._hold(connection, file_id)
            await connection.execute(self._sql["drop_pieces"], file_id)

    async def finish(
        self,
        file_id: UUID,
        *,
        purpose: str,
        size: int,
        lines: int,
        models: dict[str, ModelSum],
        expires_in: int | None,
    ) -> None:
        """Everything is there: from here on the file is seen."""
        row = await self._database.fetch_value(
            self._sql["finish_upload"], file_id, purpose, size, lines, models, expires_in
        )
        if row is None:
            raise _given_up()

    async def give_up(self, file_id: UUID) -> None:
        """An upload has failed."""
        await self._database.execute(self._sql["give_up_upload"], file_id)

    async def _hold(self, connection: Connection, file_id: UUID) -> None:
        if not await connection.fetchval(self._sql["hold_upload"], file_id):
            raise _given_up()

    # Being seen

    async def get(self, file_id: UUID, owner_id: UUID | None) -> FileRow | None:
        """One file; with an owner, only of that one."""
        row = await self._database.fetch_row(self._sql["get_file"], file_id, owner_id)
        return None if row is None else FileRow(*row.values())

    async def page(self, wanted: Wanted, limit: int) -> list[FileRow]:
        """The first of those that fit."""
        # What a list goes on behind may be younger than what a replica has.
        source = self._reading.may_lag if wanted.after is None else self._database
        rows = await source.fetch(
            self._sql["newest_files" if wanted.descending else "oldest_files"],
            wanted.owner,
            wanted.creator,
            wanted.after,
            wanted.purpose,
            wanted.search,
            limit,
        )
        return [FileRow(*row.values()) for row in rows]

    async def exists(self, file_id: UUID, owner_id: UUID | None) -> bool:
        """Whether a list may go on after it."""
        found: bool = await self._database.fetch_value(self._sql["is_file"], file_id, owner_id)
        return found

    async def delete(self, file_id: UUID, owner_id: UUID | None) -> bool:
        """Let a file go, and its batches with it; whether there was one."""
        async with self._database.transaction() as connection:
            if await connection.fetchval(self._sql["take_file"], file_id, owner_id) is None:
                return False
            await self._let_go(connection, [file_id], expired=False)
            return True

    async def mean_outputs(self, models: Collection[str]) -> dict[str, float]:
        """Tokens of an answer of each model, as far as there are any."""
        rows = await self._database.fetch(self._sql["mean_outputs"], list(models))
        return {row["model"]: row["tokens"] for row in rows if row["tokens"] is not None}

    # Being read

    async def piece(self, file_id: UUID, number: int) -> bytes | None:
        """One piece."""
        content: bytes | None = await self._database.fetch_value(self._sql["get_piece"], file_id, number)
        return content

    async def input_page(
        self, file_id: UUID, start: int, stop: int, search: str | None
    ) -> tuple[bytes, int] | None:
        """Lines as text, and the number of the last one."""
        row = await self._database.fetch_row(
            self._sql["input_page"], file_id, start, stop, search, PAGE_LINES, PAGE_BYTES
        )
        return None if row is None or row["text"] is None else (row["text"], row["last"])

    async def input_span(
        self, file_id: UUID, search: str, skip: int, limit: int | None
    ) -> tuple[int, int, int] | None:
        """First and last line that a search finds, and how many."""
        row = await self._database.fetch_row(self._sql["input_span"], file_id, search, skip, limit)
        return None if row is None or row["first"] is None else (row["first"], row["last"], row["number"])

    async def outcomes(self, batch_id: UUID) -> OutcomeSource | None:
        """Where a batch's outcomes are."""
        row = await self._database.fetch_row(self._sql["outcome_source"], batch_id)
        return None if row is None else OutcomeSource(*row.values())

    async def outcome_page(
        self, source: OutcomeSource, state: int, after: int, last: int, search: str | None
    ) -> Sequence[Outcome]:
        """Outcomes behind the position `after`, up to `last`."""
        rows = await self._reading.having(source.ended_at).fetch(
            self._sql["outcome_page"],
            source.id,
            state,
            source.first_id,
            source.last_id,
            after,
            last,
            search,
            PAGE_LINES // 2,
            PAGE_BYTES,
        )
        return [Outcome(*row.values()) for row in rows]

    async def outcome_span(
        self, source: OutcomeSource, state: int, after: int, search: str | None, skip: int, limit: int | None
    ) -> tuple[int, int, int] | None:
        """First and last position that is taken, and how many."""
        row = await self._reading.having(source.ended_at).fetch_row(
            self._sql["outcome_span"],
            source.id,
            state,
            source.first_id,
            source.last_id,
            after,
            search,
            skip,
            limit,
        )
        return None if row is None or row["first"] is None else (row["first"], row["last"], row["number"])

    # Going

    async def expire(self, most: int) -> int:
        """Let files go whose time is over; how many."""
        async with self._database.transaction() as connection:
            ids = [row["id"] for row in await connection.fetch(self._sql["take_expired"], most)]
            return await self._let_go(connection, ids, expired=True) if ids else 0

    async def end_outputs(self, seconds: int, most: int) -> int:
        """Let output and error files without an end of their own end so long after their batch; how many got theirs."""
        return len(await self._database.fetch(self._sql["end_outputs"], seconds, most))

    async def _let_go(self, connection: Connection, ids: Sequence[UUID], *, expired: bool) -> int:
        """Batches that run over them are cancelled, as anybody cancels them."""
        gone = [row["id"] for row in await connection.fetch(self._sql["let_go"], ids, expired)]
        batches = [row["id"] for row in await connection.fetch(self._sql["lock_batches_over"], gone)]
        if batches:
            await self._queue.cancel_within(connection, batches)
            await connection.execute(self._sql["detach"], batches)
        return len(gone)

    async def give_up_orphans(self, silent_secs: float, failed: Collection[UUID]) -> None:
        """Let uploads go that nobody takes any more."""
        await self._database.execute(self._sql["orphaned_uploads"], silent_secs, list(failed))

    async def clear_step(self, lines: int, pieces: int, file_id: UUID | None = None) -> bool | None:
        """Take some lines, pieces or answers of a deleted file, or the file if none is left; True when it is gone.

        None when there is no such file that nobody works on.
        """
        async with self._database.transaction() as connection:
            found = await connection.fetchval(self._sql["take_deleted"], file_id)
            if found is None:
                return None
            # A statement of its own, which sees what was copied until the row was taken.
            taken = await connection.execute(self._sql["clear_lines"], found, lines)
            taken += await connection.execute(self._sql["clear_pieces"], found, pieces)
            await connection.execute(self._sql["clear_outcomes"], found, lines)
            if taken != "DELETE 0DELETE 0" or await connection.fetchval(self._sql["has_outcomes"], found):
                return False
            await connection.execute(self._sql["forget_file"], found)
            return True


async def _framed(rows: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield COPY_HEAD
    async for part in rows:
        yield part
    yield COPY_TAIL


def _given_up() -> Unavailable:
    return Unavailable("This upload was given up, for its process seemed to be gone; try again.", 1)
