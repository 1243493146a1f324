"""A `Recording` in memory that shows what was written in which order, and can hold back what depends on it."""

import asyncio
from collections.abc import Callable

import msgspec

from dwctl.requests.record import Record, Waiting


class Ledger:
    """Implements `Recording`."""

    def __init__(self) -> None:
        self.refusal: str | None = None
        self.started: list[tuple[Record, bytes]] = []
        self.finished: list[tuple[Record, bytes]] = []
        self._held: list[tuple[Callable[..., None], tuple[object, ...]]] | None = None

    def start(self, record: Record, body: bytes) -> None:
        """Note the start of a call."""
        self.started.append((msgspec.structs.replace(record), body))

    def finish(self, record: Record, body: bytes) -> None:
        """Note its end."""
        self.finished.append((record, body))

    def after(self, callback: Callable[..., None], *args: object) -> None:
        """In the next turn of the loop, or once released."""
        if self._held is None:
            asyncio.get_running_loop().call_soon(callback, *args)
        else:
            self._held.append((callback, args))

    def tell(self, waiting: Waiting) -> None:
        """The same."""
        self.after(waiting.noted)

    def hold(self) -> None:
        """From now on nothing is written, and nothing that waits for it goes on."""
        self._held = []

    def release(self) -> None:
        """Everything has been written."""
        held, self._held = self._held or [], None
        for callback, args in held:
            callback(*args)

    @property
    def waiting(self) -> int:
        """How many steps wait for the disk."""
        return len(self._held or ())
