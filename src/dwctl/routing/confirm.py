"""Who waits for a change to be applied, and which workers have applied it. Pure, but for the waiting.

A worker is one of the processes of a start. A change counts once each worker that serves has read what it names, in a
reading that began after the change was committed; one that ends meanwhile is waited for no longer. Notices of the same
row, and everything that is read anew, may be older than the change: so each change that somebody waits for has an id of
its own, which every worker is told after the commit and tells back once it has read.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

ONLY_THIS = frozenset({0})


class Fellows(Protocol):
    """The workers of this start."""

    @property
    def index(self) -> int:
        """Which of them this process is."""
        ...

    def serving(self) -> frozenset[int]:
        """Those that answer calls now, this one among them."""
        ...

    def announce(self, notice: str, change: str) -> None:
        """This one has committed the change of this id: the others are to read what the notice names."""
        ...

    def tell(self, changes: Sequence[str]) -> None:
        """This one has applied the changes of these ids."""
        ...


class Awaited:
    """One change that somebody waits for."""

    def __init__(self) -> None:
        self.applied_by: set[int] = set()
        self._everywhere = asyncio.Event()

    def look(self, wanted: frozenset[int]) -> None:
        """Wake the one who waits if no worker is missing."""
        if wanted <= self.applied_by:
            self._everywhere.set()

    async def wait(self) -> None:
        """Until every worker has it."""
        await self._everywhere.wait()


class Confirmations:
    """All changes that are waited for."""

    def __init__(self, fellows: Fellows | None = None) -> None:
        self._fellows = fellows
        self._index = 0 if fellows is None else fellows.index
        self._waiting: dict[str, Awaited] = {}

    @contextmanager
    def expect(self, change: str) -> Iterator[Awaited]:
        """Watch for one change, by its id, while the block lasts."""
        awaited = self._waiting[change] = Awaited()
        try:
            yield awaited
        finally:
            del self._waiting[change]

    def made(self, notice: str, change: str) -> None:
        """This process has committed a change that is waited for."""
        if self._fellows is not None:
            self._fellows.announce(notice, change)

    def applied(self, changes: Sequence[str]) -> None:
        """This process has applied them."""
        if changes:
            if self._fellows is not None:
                self._fellows.tell(changes)
            self.applied_by(self._index, changes)

    def applied_by(self, worker: int, changes: Iterable[str]) -> None:
        """A worker has applied them."""
        for change in changes:
            awaited = self._waiting.get(change)
            if awaited is not None:
                awaited.applied_by.add(worker)
                awaited.look(self._wanted())

    def look_again(self) -> None:
        """Other workers serve than before."""
        wanted = self._wanted()
        for awaited in self._waiting.values():
            awaited.look(wanted)

    def _wanted(self) -> frozenset[int]:
        return ONLY_THIS if self._fellows is None else self._fellows.serving()
