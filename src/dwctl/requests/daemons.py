"""This process's row in `daemons`: how others know that it lives, and whose calls are whose.

Wakes on: the heartbeat interval. Writes: `daemons`, and the daily partitions ahead. If it dies, the heartbeat stops and
another process takes over the calls (replay.py). May be lost: nothing.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import asyncpg

from dwctl.db.lease import Lease
from dwctl.db.postgres import Database, reason_of
from dwctl.db.queries import Queries
from dwctl.requests.settings import RecordingSettings
from dwctl.requests.writer import AWAY

logger = logging.getLogger(__name__)

PARTITIONS_EVERY = 3600.0
BEATS_MISSED = 3
"""So many heartbeats later another process makes the partitions."""


class Daemon:
    """The service behind the row."""

    name = "daemon"

    def __init__(
        self,
        *,
        database: Database,
        daemon_id: UUID,
        installation_id: UUID,
        version: str,
        settings: RecordingSettings,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self._database = database
        self._sql = Queries.load(__package__)
        self._daemon_id = daemon_id
        self._installation_id = installation_id
        self._version = version
        self._settings = settings
        self._config = dict(config or {})
        self.stats: Callable[[], Mapping[str, Any]] = dict
        """What the process tells of itself with each heartbeat; set by who knows."""
        self.on_beat: Callable[[float | None], None] = _nobody
        """Told how many seconds each heartbeat took, or None when it failed; set by who counts."""
        self._maintenance = Lease(
            database, "partitions", daemon_id, BEATS_MISSED * settings.heartbeat_secs + PARTITIONS_EVERY
        )

    async def start(self) -> None:
        """Register, and make the partitions that calls of the next days fall into."""
        await self._make_partitions()
        await self._database.execute(
            self._sql["register_daemon"],
            self._daemon_id,
            "gateway",
            socket.gethostname(),
            os.getpid(),
            self._version,
            self._installation_id,
            self._config,
        )

    async def run(self) -> None:
        """Beat until cancelled."""
        every = self._settings.heartbeat_secs
        since_partitions = 0.0
        while True:
            await asyncio.sleep(every)
            since_partitions += every
            began, took = time.perf_counter(), None
            try:
                await self._database.execute(self._sql["report_daemon"], self._daemon_id, dict(self.stats()))
                took = time.perf_counter() - began
                if since_partitions >= PARTITIONS_EVERY:
                    since_partitions = 0.0
                    if await self._maintenance.take():
                        await self._make_partitions()
            except (*AWAY, asyncpg.PostgresError) as error:
                logger.warning("no heartbeat: %s", reason_of(error))
            self.on_beat(took)

    async def stop(self) -> None:
        """Say that the end was in order."""
        try:
            await self._database.execute(self._sql["stop_daemon"], self._daemon_id)
            await self._maintenance.release()
        except (*AWAY, asyncpg.PostgresError) as error:
            logger.warning("the end of this process is not noted: %s", reason_of(error))

    async def _make_partitions(self) -> None:
        """A range that ids in the default partition already use cannot be made: those rows stay there."""
        try:
            await self._database.fetch_value(
                self._sql["make_partitions"], self._settings.partitions_ahead_days
            )
        except asyncpg.CheckViolationError as error:
            logger.warning("a partition was not made: %s", error)


def _nobody(_seconds: float | None) -> None:
    """Nobody counts."""
