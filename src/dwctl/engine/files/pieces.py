"""The bytes of an upload on their way into the table, as they are."""

from collections.abc import Awaitable, Callable

PIECE = 512 * 1024

Keep = Callable[[int, bytes], Awaitable[None]]
"""Keeps a piece under its number; it is on disk when this returns."""


class PieceIntake:
    """Takes one file."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._parts: list[bytes] = []
        self._size = 0
        self._count = 0

    async def write(self, data: bytes) -> None:
        """More of the file."""
        for start in range(0, len(data), PIECE):
            part = data[start : start + PIECE]
            self._parts.append(part)
            self._size += len(part)
            if self._size >= PIECE:
                await self._flush()

    async def end(self) -> None:
        """The file is complete."""
        if self._parts:
            await self._flush()

    async def abandon(self) -> None:
        """Let go of everything."""
        self._parts = []

    async def _flush(self) -> None:
        data = b"".join(self._parts)
        self._parts, self._size = [], 0
        await self._keep(self._count, data)
        self._count += 1
