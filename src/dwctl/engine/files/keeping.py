"""What is left of files that nobody sees: dead uploads, deleted files, files whose time is over.

Output and error files without an end of their own get one once their batch has ended. What stood in them, the answers
of its lines, goes with them, when the batch goes on no more; the rows of the requests stay, as the log of calls has
them.

`step` is called again and again by the housekeeping service. Every step is a few short transactions and can be
repeated. Several processes may do this at once: each takes another file.
"""

from typing import Protocol
from uuid import UUID

from dwctl.engine.files.store import FileStore

LINES = 5000
PIECES = 20
"""Lines and pieces that one step takes."""
EXPIRED = 100


class Failing(Protocol):
    """Who takes uploads in this process."""

    failed: set[UUID]
    """Uploads that came to nothing, and whose rows could not be told so yet."""


class Keeping:
    """Cleans up after files."""

    def __init__(
        self, store: FileStore, uploads: Failing, *, silent_secs: float, outputs_secs: int | None
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._silent_secs = silent_secs
        self._outputs_secs = outputs_secs

    async def step(self) -> bool:
        """Do some of it; whether there is more to do."""
        failed = list(self._uploads.failed)
        await self._store.give_up_orphans(self._silent_secs, failed)
        self._uploads.failed.difference_update(failed)
        ending = 0
        if self._outputs_secs is not None:
            ending = await self._store.end_outputs(self._outputs_secs, EXPIRED)
        expired = await self._store.expire(EXPIRED)
        cleared = await self._store.clear_step(LINES, PIECES)
        return cleared is not None or EXPIRED in (ending, expired)
