"""The rows of one upload on their way into the table, part after part."""

from collections.abc import AsyncIterator
from uuid import UUID

from dwctl.engine.files.store import FileStore


class LineCopy:
    """Takes parts, one at a time."""

    def __init__(self, store: FileStore, file_id: UUID) -> None:
        self._store = store
        self._file_id = file_id
        self._last: int | None = None
        """The first line of the part before."""
        self._lines = 0

    async def copy(self, rows: AsyncIterator[bytes]) -> None:
        """One part, in binary COPY format, cut anywhere; it is on disk when this returns."""
        before, last = self._lines, self._last
        self._lines += await self._store.copy_lines(self._file_id, rows, last)
        self._last = before
