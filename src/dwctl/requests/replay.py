"""Takes over what dead processes left: their spools, and their calls that never ended.

Wakes on: the start, the death of another worker, and every heartbeat. Writes: `requests`, `request_bodies`, and
deletes spool folders whose records are committed. A spool belongs to a dead process when its lock can be taken. If we
die in the middle, the next start does it again: every write is an upsert that repeats harmlessly. Credit leases of a
process end when its spool is committed. Works beside new calls; who misses a row in the meantime waits (`caught_up`).

A process elsewhere is taken for dead when it was silent for long. While the database was away all were, so nobody is
judged by silence before this process has been in contact for that long itself.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import asyncpg

from dwctl.core.clock import Clock
from dwctl.db.postgres import Database, reason_of
from dwctl.db.queries import Queries
from dwctl.requests import frames
from dwctl.requests.entry import Entry
from dwctl.requests.settings import RecordingSettings
from dwctl.requests.spool import remove, segments, take_lock
from dwctl.requests.writer import AWAY, Committer

logger = logging.getLogger(__name__)


class Replay:
    """The service that inherits."""

    name = "replay"

    def __init__(
        self,
        *,
        database: Database,
        committer: Committer,
        spools: Path,
        daemon_id: UUID,
        installation_id: UUID,
        settings: RecordingSettings,
        clock: Clock,
    ) -> None:
        self._database = database
        self._sql = Queries.load(__package__)
        self._committer = committer
        self._spools = spools
        self._daemon_id = daemon_id
        self._installation_id = installation_id
        self._settings = settings
        self._clock = clock
        self._caught_up = asyncio.Event()
        self._look = asyncio.Event()
        self._in_contact_since: float | None = None
        self.on_taken_over: Callable[[], None] = _nobody
        """Called when what a dead process here left is in the database; set by who frees its queued work."""

    async def start(self) -> None:
        """Nothing to prepare: old spools are read while new calls come in."""

    async def run(self) -> None:
        """Look for what is left behind, again and again."""
        while True:
            self._look.clear()
            try:
                await self.take_over()
            except (*AWAY, asyncpg.PostgresError, OSError) as error:
                self._in_contact_since = None
                logger.warning("what dead processes left is not taken over yet: %s", reason_of(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(max(1.0, self._settings.heartbeat_secs)):
                    await self._look.wait()

    async def stop(self) -> None:
        """Nothing to flush."""

    def look(self) -> None:
        """A process here has just died: what it left is taken over at once, and whoever misses a row waits for it."""
        self._caught_up.clear()
        self._look.set()

    async def caught_up(self, within: float = 2.0) -> bool:
        """Whether what was left behind before this process started is in the database, waiting so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._caught_up.wait()
        except TimeoutError:
            return False
        return True

    async def take_over(self) -> None:
        """Replay every ownerless spool, then end the calls of dead processes."""
        for folder in sorted(self._spools.glob("*")):
            owner = _owner(folder)
            if owner is not None and owner != self._daemon_id:
                await self._take_folder(folder, owner)
        if not self._look.is_set():
            self._caught_up.set()
        now = self._clock.monotonic()
        since = self._in_contact_since
        dead = await self._database.fetch(
            self._sql["dead_daemons"],
            self._daemon_id,
            self._installation_id,
            self._settings.dead_after_secs,
            since is not None and now - since >= self._settings.dead_after_secs,
        )
        if since is None:
            self._in_contact_since = now
        for row in dead:
            await self._end_calls(row["id"])
        await self._end_leases()

    async def _end_leases(self) -> None:
        """Credit leases of processes here that ended in order and died before they could give them back."""
        holders = await self._database.fetch(
            self._sql["credit_holders"], self._installation_id, self._daemon_id
        )
        ended = [row["holder"] for row in holders if not (self._spools / str(row["holder"])).is_dir()]
        if ended:
            await self._database.execute(self._sql["end_credit_leases_of"], ended)

    async def _take_folder(self, folder: Path, owner: UUID) -> None:
        lock = take_lock(folder, make=self._is_forsaken(folder))
        if lock < 0:
            return
        try:
            replayed = 0
            for segment, path in segments(folder):
                replayed += await self._replay(segment, path)
            await self._end_calls(owner)
            await self._database.execute(self._sql["stop_daemon"], owner)
            # Its charges are in the ledger now, and it makes no more of them.
            await self._database.execute(self._sql["end_credit_leases_of"], [owner])
            await self._committer.beat(self._daemon_id)
            remove(folder)
        finally:
            os.close(lock)
        self.on_taken_over()
        if replayed:
            logger.info("%d records of process %s were replayed from its spool", replayed, owner)

    def _is_forsaken(self, folder: Path) -> bool:
        """Whether nothing was made or removed in it for so long that nobody is about to, lock file or not."""
        with suppress(FileNotFoundError):
            return self._clock.now() - folder.stat().st_mtime > self._settings.dead_after_secs
        return False

    async def _replay(self, segment: int, path: Path) -> int:
        """Commit a segment in batches; gives how many records it held."""
        data = await asyncio.to_thread(path.read_bytes)
        count = 0
        batch: list[Entry] = []
        for entries, _ in frames.blocks(data, segment):
            batch += entries
            while len(batch) >= self._settings.batch_rows:
                now, batch = batch[: self._settings.batch_rows], batch[self._settings.batch_rows :]
                await self._committer.commit(now)
                count += len(now)
        await self._committer.commit(batch)
        return count + len(batch)

    async def _end_calls(self, daemon_id: UUID) -> None:
        ended = await self._committer.interrupt(daemon_id)
        if ended:
            logger.warning("%d calls of process %s ended with it", ended, daemon_id)


def _nobody() -> None:
    """Nobody waits for it."""


def _owner(folder: Path) -> UUID | None:
    """The process whose spool it is; None for anything else that lies there, such as `lost+found`."""
    try:
        return UUID(folder.name) if folder.is_dir() else None
    except ValueError:
        return None
