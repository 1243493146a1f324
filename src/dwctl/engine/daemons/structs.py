"""Shapes of the list of processes."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

Status = Literal["initializing", "running", "dead"]


class Daemon(msgspec.Struct, frozen=True):
    """One process."""

    id: UUID
    status: str
    hostname: str
    pid: int
    version: str
    started_at: datetime
    last_heartbeat: datetime
    stopped_at: datetime | None
    stats: dict[str, Any]
    config: dict[str, Any]


class DaemonList(msgspec.Struct, frozen=True):
    """All of them."""

    daemons: list[Daemon]
