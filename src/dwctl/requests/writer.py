"""Commits records in bulk: one statement for a batch, by create-or-complete (states.py, queries.sql).

Wakes on: new entries, at most every flush interval. Writes: `requests`, `request_bodies`. If the database is
away, entries stay (memory, then the spool) and are tried again with a growing delay. If the process dies, the
spool has them. Commits do not wait for the disk: a segment is deleted only after a later durable commit.
A record that the database refuses is found by halving its batch, written to `rejected.jsonl` and counted.
"""

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from dwctl.core.metrics import Metrics
from dwctl.db.postgres import UNREACHABLE, Database, reason_of
from dwctl.db.queries import Queries
from dwctl.requests.frames import Entry, Kind
from dwctl.requests.recorder import Recorder
from dwctl.requests.settings import RecordingSettings
from dwctl.requests.spool import Position, Spool
from dwctl.requests.states import newest

logger = logging.getLogger(__name__)

RETRY_FIRST = 0.1
RETRY_MOST = 5.0
DRAIN_WITHIN = 8.0
AWAY = (*UNREACHABLE, asyncpg.InterfaceError, asyncpg.OperatorInterventionError, TimeoutError)
"""The database is not there; everything else that it says is about the records."""


class Committer:
    """Runs the one statement."""

    def __init__(self, database: Database, rejected: Path, metrics: Metrics) -> None:
        self._database = database
        self._sql = Queries.load(__package__)
        self._rejected = rejected
        self._rows = metrics.counter("dwctl_request_rows_written_total", "Rows created or completed.")
        self._refused = metrics.counter(
            "dwctl_request_rows_rejected_total", "Records that the database refused."
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

    async def _run(self, entries: list[Entry]) -> None:
        metas, bodies = merged(entries)
        ids = list(bodies)
        # One round trip: at full load each costs a whole turn of a busy loop.
        row: Any = await self._database.fetch_row(
            self._sql["upsert_requests"],
            (b"[" + b",".join(metas) + b"]").decode(),
            ids,
            [bodies[ident][0] for ident in ids],
            [bodies[ident][1] for ident in ids],
        )
        self._rows.inc(row["changed"])

    def _set_aside(self, entry: Entry, error: Exception) -> None:
        self._refused.inc()
        logger.error("the record of request %s was refused: %s", entry.id, error)
        with self._rejected.open("ab") as file:
            file.write(entry.meta + b"\n")


def merged(
    entries: Iterable[Entry],
) -> tuple[list[bytes], dict[str, tuple[bytes | None, bytes | None]]]:
    """One record and one pair of bodies for each request: a fast call is one insert. Pure."""
    records: dict[str, Entry] = {}
    bodies: dict[str, tuple[bytes | None, bytes | None]] = {}
    for entry in entries:
        before = records.get(entry.id)
        kept = entry if before is None else newest(before, entry)
        records[entry.id] = kept
        request, response = bodies.get(entry.id, (None, None))
        if entry.kind == Kind.STARTED:
            request = request if request is not None else (entry.body or None)
        elif kept is entry:
            response = entry.body or None
        if request is not None or response is not None:
            bodies[entry.id] = (request, response)
    return [entry.meta for entry in records.values()], bodies


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
            async with asyncio.timeout(DRAIN_WITHIN):
                await self._drain(patient=False)
                await self._committer.beat(self._daemon_id)
            empty = self._recorder.backlog.empty
        except (*AWAY, asyncpg.PostgresError) as error:
            logger.warning("records stay in the spool for the next start: %s", reason_of(error))
        self._spool.close(delete=empty)

    async def flush(self, within: float = 2.0) -> None:
        """Wait until everything noted before now is committed, at most so many seconds."""
        self._recorder.flush()
        self._hurry.set()
        try:
            async with asyncio.timeout(within):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("records were not committed within %g s", within)

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
        backlog = self._recorder.backlog
        committed: Position | None = None
        delay = RETRY_FIRST
        while True:
            taken = backlog.take(self._settings.batch_rows, self._settings.batch_bytes)
            if not taken:
                if backlog.empty:
                    break
                continue
            try:
                await self._committer.commit([entry for entry, _ in taken])
            except asyncio.CancelledError:
                backlog.put_back(taken)
                raise
            except AWAY as error:
                backlog.put_back(taken)
                if not patient:
                    raise
                logger.warning(
                    "records wait for the database: %s; next try in %.1f s", reason_of(error), delay
                )
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_MOST)
                continue
            delay = RETRY_FIRST
            committed = backlog.floor(taken[-1][1])
            await self._trim(committed)
        self._some.clear()
        self._idle.set()
        if committed is not None:
            # Nothing waits, so everything before this place is committed, be it in the last segment or before it.
            await self._trim(self._spool.position)

    async def _trim(self, committed: Position) -> None:
        """Delete segments that are committed for certain."""
        if not self._spool.has_before(committed):
            return
        try:
            await self._committer.beat(self._daemon_id)
        except AWAY:
            return
        self._spool.trim(committed)
