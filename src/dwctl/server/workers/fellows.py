"""What the rest of a process sees of the other workers; and a process that has none."""

import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from dwctl.core.metrics import Metrics
from dwctl.core.samples import page
from dwctl.routing.confirm import Fellows

FLUSH_WITHIN = 2.0


class Home(msgspec.Struct, kw_only=True):
    """What the link to others needs of this process. Filled in by the composition root once everything is made."""

    metrics: Metrics
    applied_by: Callable[[int, Sequence[str]], None]
    """A worker has applied the changes of these ids."""
    changed: Callable[[str, str], None]
    """Another worker has committed a change: the notice that names what it is of, and its id."""
    membership_changed: Callable[[], None]
    flush: Callable[[], Awaitable[bool]]
    """Commit what is recorded here and what dead processes have left."""
    worker_died: Callable[[], None]
    open_connections: Callable[[], int]
    adopt: Callable[[socket.socket], None]
    """Serve a connection that another process has accepted."""


class Crew(Fellows, Protocol):
    """The workers of this start."""

    def settle_in(self, home: Home) -> None:
        """Be told what this process has; before the start."""
        ...

    def place(self, accepted: socket.socket) -> bool:
        """Give a connection to another worker; false when it is for this one."""
        ...

    def drain(self) -> None:
        """This process accepts no more, so that nobody does: the others end what they have, then themselves."""
        ...

    async def flush(self) -> bool:
        """Commit what is recorded anywhere; whether it is done."""
        ...

    async def page(self) -> bytes:
        """The metrics of all workers in one text."""
        ...


class Alone:
    """Implements `Crew` for a process without others."""

    index = 0
    _serving = frozenset({0})
    _home: Home | None = None

    def settle_in(self, home: Home) -> None:
        """Be told what this process has."""
        self._home = home

    def serving(self) -> frozenset[int]:
        """Only this one."""
        return self._serving

    def announce(self, notice: str, change: str) -> None:
        """There is nobody to tell."""

    def tell(self, changes: Sequence[str]) -> None:
        """There is nobody to tell."""

    def place(self, accepted: socket.socket) -> bool:
        """Every connection is for this one."""
        del accepted
        return False

    def drain(self) -> None:
        """There is nobody to tell."""

    async def flush(self) -> bool:
        """Commit what is recorded here."""
        return self._home is not None and await self._home.flush()

    async def page(self) -> bytes:
        """The metrics of this process."""
        return b"" if self._home is None else page([self._home.metrics.part()])
