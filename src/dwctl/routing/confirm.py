"""Who waits for a change to be applied, and which workers have applied it. Pure, but for the waiting.

A worker is one of the processes of a start. A change counts once each worker that serves has applied its notice; one
that ends meanwhile is waited for no longer. Reading everything anew does not count: it may have begun before the
change was committed. Every worker is told of the change by name, so that each applies it by name.
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

    def announce(self, notices: Sequence[str]) -> None:
        """This one has committed changes: the others are to apply them."""
        ...

    def tell(self, notices: Sequence[str]) -> None:
        """This one has applied them."""
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
        self._waiting: dict[str, set[Awaited]] = {}

    @contextmanager
    def expect(self, notice: str) -> Iterator[Awaited]:
        """Watch for one notice while the block lasts."""
        awaited = Awaited()
        self._waiting.setdefault(notice, set()).add(awaited)
        try:
            yield awaited
        finally:
            waiting = self._waiting[notice]
            waiting.discard(awaited)
            if not waiting:
                del self._waiting[notice]

    def made(self, notice: str) -> None:
        """This process has committed a change that is waited for."""
        if self._fellows is not None:
            self._fellows.announce((notice,))

    def applied(self, notices: Sequence[str]) -> None:
        """This process has applied them."""
        if notices:
            if self._fellows is not None:
                self._fellows.tell(notices)
            self.applied_by(self._index, notices)

    def applied_by(self, worker: int, notices: Iterable[str]) -> None:
        """A worker has applied them."""
        if not self._waiting:
            return
        wanted = self._wanted()
        for name in notices:
            for awaited in self._waiting.get(name, ()):
                awaited.applied_by.add(worker)
                awaited.look(wanted)

    def look_again(self) -> None:
        """Other workers serve than before."""
        wanted = self._wanted()
        for waiting in self._waiting.values():
            for awaited in waiting:
                awaited.look(wanted)

    def _wanted(self) -> frozenset[int]:
        return ONLY_THIS if self._fellows is None else self._fellows.serving()
