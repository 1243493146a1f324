"""The rows that a batch begins with. Both steps belong in one transaction; whoever makes one may refuse in between."""

from typing import Any
from uuid import UUID

import msgspec

from dwctl.core.errors import NotFound
from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Connection
from dwctl.db.queries import Queries


class NewBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch to be made."""

    id: UUID
    owner_id: UUID
    creator_id: UUID
    key_id: UUID | None
    """The key that is charged; None when a session makes it."""
    run_key_id: UUID
    """The key as which its lines run."""
    file_id: UUID
    file_name: str
    total: int
    """Lines of the file."""
    models: dict[str, Any]
    """As the file has them: `{"lines": n, …}` by model."""
    endpoint: str
    window: str
    seconds: int
    """Of the window."""
    metadata: dict[str, str] = {}
    request_source: str = "api"
    idempotency_key: str | None = None
    idempotency_digest: bytes | None = None
    output_seconds: int | None = None
    """How long its files live; None for ever."""

    def lines(self) -> dict[str, int]:
        """Requests by model."""
        return {model: found["lines"] for model, found in self.models.items()}


class BatchRows:
    """Makes them."""

    def __init__(self) -> None:
        self._sql = Queries.load(__package__)

    async def begin(self, connection: Connection, new: NewBatch) -> bool:
        """Hold the file and make the batch; False when its Idempotency-Key has made one.

        Raises `NotFound` for a file that is not there any more.
        """
        if await connection.fetchval(self._sql["hold_file"], new.file_id) is None:
            raise NotFound(f"File with ID {new.file_id} not found", param="input_file_id")
        made = await connection.fetchval(
            self._sql["create_batch"],
            new.id,
            new.owner_id,
            new.creator_id,
            new.key_id,
            new.run_key_id,
            new.file_id,
            new.file_name,
            new.endpoint,
            new.window,
            new.metadata,
            new.request_source,
            new.idempotency_key,
            new.idempotency_digest,
            new_uuid(),
            new_uuid(),
            float(new.seconds),
            new.total,
        )
        return made is not None

    async def finish(self, connection: Connection, new: NewBatch) -> None:
        """Make its lanes, which stay closed until it is populated, and its two files."""
        lines = new.lines()
        await connection.execute(self._sql["create_lanes"], new.id, list(lines), list(lines.values()))
        seconds = None if new.output_seconds is None else float(new.output_seconds)
        await connection.execute(self._sql["create_files"], new.id, seconds)
