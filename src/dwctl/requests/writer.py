"""Commits records in bulk: one statement for a batch, by create-or-complete (states.py, queries.sql).

Wakes on: new entries, at most every flush interval. Writes: `requests`, `request_bodies`, and for calls that cost
something `ledger_entries`, `accounts` and `budget_spend`. If the database is away, entries stay (memory, then the
spool) and are tried again with a growing delay. If the process dies, the spool has them. A few statements are under way
at a time; a batch whose statement failed, and those behind it, go back in front. Commits without a charge do not wait
for the disk: a segment is let go only after a later durable commit. A record that the database refuses is found by
halving its batch, written to `rejected.jsonl` and counted.
"""

import asyncio
import logging
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from dwctl.core.metrics import Metrics
from dwctl.core.services import run_within
from dwctl.db.postgres import UNREACHABLE, Database, reason_of
from dwctl.db.queries import Queries
from dwctl.requests.entries import Batch, Block, Position
from dwctl.requests.entry import Entry
from dwctl.requests.merging import merged
from dwctl.requests.recorder import Recorder
from dwctl.requests.settings import COMPRESS_UP_TO, RecordingSettings
from dwctl.requests.spool import Spool, delete

logger = logging.getLogger(__name__)

RETRY_FIRST = 0.1
RETRY_MOST = 5.0
DRAIN_WITHIN = 6.0
"""Seconds to commit what is left when the process stops; then the database counts as hanging."""
AWAY = (
    *UNREACHABLE,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    TimeoutError,
)
"""The database is not there, as the driver tells it, an end in the middle of a statement included; everything else
that it says is about the records."""


def _array(numbers: list[int | None]) -> str:
    """As PostgreSQL reads an array: by the driver, number by number, it takes ten times as long."""
    return f"{{{msgspec.json.encode(numbers)[1:-1].decode()}}}"


class Committer:
    """Runs the one statement."""

    def __init__(
        self, database: Database, rejected: Path, metrics: Metrics, *, compress_up_to: int = COMPRESS_UP_TO
    ) -> None:
        self._database = database
        self._compress_up_to = compress_up_to
        self._sql = Queries.load(__package__)
        self._rejected = rejected
        self._rows = metrics.counter("dwctl_request_rows_written_total", "Rows created or completed.")
        self._refused = metrics.counter(
            "dwctl_request_rows_rejected_total", "Records that the database refused."
        )
        self._charged = metrics.counter(
            "dwctl_credits_deducted_total", "What accounts were charged, in credits.", ("model",)
        )
        self._again = metrics.counter(
            "dwctl_credits_duplicates_total", "Charges that were booked already, as after a replay."
        )

    async def commit(self, entries: list[Entry]) -> None:
        """Commit entries; raises one of `AWAY` when the database is not there."""
        if not entries:
            return
        try:
            await self._run(entries)
        except AWAY:
            raise
        except (asyncpg.PostgresError, ValueError) as error:
            if len(entries) == 1:
                self._set_aside(entries[0], error)
                return
            middle = len(entries) // 2
            await self.commit(entries[:middle])
            await self.commit(entries[middle:])

    async def interrupt(self, daemon_id: UUID) -> int:
        """End the calls that a dead process left behind; gives how many."""
        return len(await self._database.fetch(self._sql["interrupt_requests_of"], daemon_id))

    async def beat(self, daemon_id: UUID) -> None:
        """A durable commit: what was committed before it is on disk after it."""
        await self._database.execute(self._sql["beat"], daemon_id)

    def give_up(self) -> None:
        """The database hangs: let nobody wait for it any more."""
        self._database.give_up()

    async def _run(self, entries: list[Entry]) -> None:
        batch = merged(entries)
        await self._write(batch)
        if batch.displaced:
            # Their rows stand already, or another end of theirs does; what they cost is charged all the same.
            await self._run(batch.displaced)

    async def _write(self, batch: "Batch") -> None:
        # One round trip: at full load each costs a whole turn of a busy loop.
        row: Any = await self._database.fetch_row(
            self._sql["upsert_requests"],
            batch.records,
            b"".join(batch.bodies),
            _array(batch.requests),
            _array(batch.responses),
            self._compress_up_to,
        )
        self._rows.inc(row["changed"])
        if row["costs"]:
            self._again.inc(row["costs"] - row["booked"])
            for model, amount in (row["charged"] or {}).items():
                self._charged.labels(model).inc(amount)

    def _set_aside(self, entry: Entry, error: Exception) -> None:
        self._refused.inc()
        logger.error("the record of request %s was refused: %s", entry.id, error)
        with self._rejected.open("ab") as file:
            file.write(entry.meta + b"\n")


class _Flying(NamedTuple):
    """A batch whose statement is under way."""

    blocks: list[Block]
    task: "asyncio.Task[Exception | None]"


class Writer:
    """The service that empties the backlog."""

    name = "writer"

    def __init__(
        self,
        *,
        recorder: Recorder,
        spool: Spool,
        committer: Committer,
        daemon_id: UUID,
        settings: RecordingSettings,
    ) -> None:
        self._recorder = recorder
        self._spool = spool
        self._committer = committer
        self._daemon_id = daemon_id
        self._settings = settings
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._hurry = asyncio.Event()
        self._idle.set()
        self.done = 0
        """So many records, in the order in which they were noted, are committed."""

    async def start(self) -> None:
        """Be told of entries from now on."""
        self._recorder.on_entries = self._on_entries

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            await self._some.wait()
            await self._pause()
            await self._drain()

    async def stop(self) -> None:
        """Commit what is left; the spool keeps what cannot be committed in time."""
        self._recorder.flush()
        empty = False
        try:
            await run_within(self._last(), DRAIN_WITHIN, name="last commits")
            empty = self._recorder.backlog.empty
        except TimeoutError as error:
            self._committer.give_up()
            logger.warning("records stay in the spool for the next start: %s", reason_of(error))
        except (*AWAY, asyncpg.PostgresError) as error:
            logger.warning("records stay in the spool for the next start: %s", reason_of(error))
        self._spool.close(delete=empty)

    async def _last(self) -> None:
        await self._drain(patient=False)
        await self._committer.beat(self._daemon_id)

    async def flush(self, within: float = 2.0) -> bool:
        """Wait until everything noted before now is committed, at most so many seconds; whether it is."""
        self._recorder.flush()
        self._hurry.set()
        try:
            async with asyncio.timeout(within):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("records were not committed within %g s", within)
            return False
        return True

    def tidy(self) -> None:
        """Delete spares of the spool that were not needed since the last time; called with each heartbeat."""
        surplus = self._spool.tidy()
        if surplus:
            asyncio.get_running_loop().run_in_executor(None, delete, surplus)

    def _on_entries(self) -> None:
        self._idle.clear()
        self._some.set()

    async def _pause(self) -> None:
        """Let a batch grow for the flush interval, unless somebody waits."""
        try:
            async with asyncio.timeout(self._settings.flush_interval_ms / 1000):
                await self._hurry.wait()
        except TimeoutError:
            pass
        self._hurry.clear()

    async def _drain(self, *, patient: bool = True) -> None:
        """Commit everything; raises one of `AWAY` where that is not to be waited for."""
        flying: deque[_Flying] = deque()
        try:
            async with asyncio.TaskGroup() as group:
                error = await self._empty(group, flying, patient=patient)
        finally:
            self._put_back(flying)
        if error is not None:
            raise error
        self._some.clear()
        self._idle.set()

    async def _empty(
        self, group: asyncio.TaskGroup, flying: deque["_Flying"], *, patient: bool
    ) -> Exception | None:
        """A few batches at a time, their places in the spool given up in order."""
        committed: Position | None = None
        delay = RETRY_FIRST
        while self._launch(group, flying) or not self._recorder.backlog.empty:
            if not flying:
                continue
            error = await flying[0].task
            if error is None:
                delay = RETRY_FIRST
                blocks = flying.popleft().blocks
                self.done += self._recorder.committed(blocks)
                committed = self._recorder.backlog.floor(blocks[-1].end)
                await self._trim(committed)
                continue
            for batch in flying:
                await batch.task
            self._put_back(flying)
            if not patient:
                return error
            logger.warning("records wait for the database: %s; next try in %.1f s", reason_of(error), delay)
            await asyncio.sleep(delay)
            delay = min(delay * 2, RETRY_MOST)
        # Also those that could not be read back from the disk: they are lost, and nothing waits for them.
        self.done = self._recorder.written
        if committed is not None:
            # Nothing waits, so everything before this place is committed, be it in the last segment or before it.
            await self._trim(self._spool.position)
        return None

    def _launch(self, group: asyncio.TaskGroup, flying: deque["_Flying"]) -> bool:
        """Keep as many statements under way as there may be; whether there is one."""
        while len(flying) < self._settings.statements:
            blocks = self._recorder.backlog.take(self._settings.batch_rows, self._settings.batch_bytes)
            if not blocks:
                break
            flying.append(_Flying(blocks, group.create_task(self._attempt(blocks))))
        return bool(flying)

    async def _attempt(self, blocks: list[Block]) -> Exception | None:
        """Commit a batch; gives what kept the database from it."""
        entries: list[Entry] = []
        for block in blocks:
            entries += block.entries
        try:
            await self._committer.commit(entries)
        except AWAY as error:
            return error
        return None

    def _put_back(self, flying: deque["_Flying"]) -> None:
        """What is not known to be committed, and what came after it: to commit that again is harmless."""
        while flying:
            self._recorder.backlog.put_back(flying.pop().blocks)

    async def _trim(self, committed: Position) -> None:
        """Delete segments that are committed for certain."""
        if not self._spool.has_before(committed):
            return
        try:
            await self._committer.beat(self._daemon_id)
        except AWAY:
            return
        # In a thread: the loop would wait milliseconds for a large file. If the process dies now they are replayed.
        surplus = self._spool.let_go(committed)
        if surplus:
            await asyncio.to_thread(delete, surplus)
