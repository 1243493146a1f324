"""Another worker's side: takes connections from the first one, answers its questions, ends with it.

A `Service`. Wakes on: what the first worker sends. Writes: nothing. If it dies, so does the process, and the first
worker starts it again.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Sequence

from dwctl.core.samples import packed
from dwctl.server.workers.fellows import FLUSH_WITHIN, Home
from dwctl.server.workers.link import (
    Applied,
    Changed,
    Failed,
    Link,
    Load,
    Message,
    Ready,
    Serving,
    Stop,
    Topic,
)

logger = logging.getLogger(__name__)

TELL_EVERY = 0.05
"""Seconds between two looks at whether the number of connections has changed."""
PAGE_WITHIN = 5.0


class Other:
    """Implements `Side` and `Crew`."""

    name = "workers"

    def __init__(self, index: int, link: socket.socket, way: socket.socket, stopping: asyncio.Event) -> None:
        self.index = index
        self._end = link
        self._way = way
        self._stopping = stopping
        self._link: Link | None = None
        self._home: Home | None = None
        self._serving = frozenset({0, index})
        self._received = 0

    def settle_in(self, home: Home) -> None:
        """Be told what this process has."""
        self._home = home

    async def connect(self) -> None:
        """Take up the link: from here on the end of the first worker is the end of this one."""
        self._link = await Link.open(self._end, self)

    def refuse(self, reason: str) -> None:
        """Say why this worker cannot start."""
        self._say(Failed(reason))

    def ready(self) -> None:
        """Everything runs."""
        self._say(Ready())

    async def start(self) -> None:
        """Take connections."""
        self._way.setblocking(False)
        asyncio.get_running_loop().add_reader(self._way, self._take)

    async def run(self) -> None:
        """Tell how many connections there are, when it has changed."""
        told = (0, 0)
        while True:
            await asyncio.sleep(TELL_EVERY)
            now = (self._received, self._open())
            if now != told:
                told = now
                self._say(Load(*now))

    async def stop(self) -> None:
        """Take no more."""
        asyncio.get_running_loop().remove_reader(self._way)
        self._way.close()

    def serving(self) -> frozenset[int]:
        """The workers that answer calls, as far as this one has been told."""
        return self._serving

    def announce(self, notice: str, change: str) -> None:
        """This process has committed a change."""
        self._say(Changed(notice, change))

    def tell(self, changes: Sequence[str]) -> None:
        """This process has applied them."""
        self._say(Applied(self.index, tuple(changes)))

    def place(self, accepted: socket.socket) -> bool:
        """What was handed over stays here."""
        del accepted
        return False

    def drain(self) -> None:
        """Only the first worker decides for others."""

    async def flush(self) -> bool:
        """Commit what is recorded anywhere."""
        async with asyncio.TaskGroup() as group:
            here = group.create_task(self._flush_here())
            others = group.create_task(self._ask("flush", 2 * FLUSH_WITHIN))
        return here.result() and others.result() == b"1"

    async def page(self) -> bytes:
        """The metrics of all workers, which the first one gathers."""
        return await self._ask("page", PAGE_WITHIN) or b""

    def heard(self, message: Message) -> None:
        """The first worker has said something."""
        home = self._home
        if isinstance(message, Stop):
            self._stopping.set()
        elif home is None:
            return
        elif isinstance(message, Serving):
            self._serving = frozenset({self.index, *message.workers})
            home.membership_changed()
        elif isinstance(message, Applied):
            home.applied_by(message.worker, message.changes)
        elif isinstance(message, Changed):
            home.changed(message.notice, message.change)

    async def asked(self, topic: Topic) -> bytes:
        """The answer to a question of the first worker's."""
        if topic == "flush":
            return b"1" if await self._flush_here() else b"0"
        return b"" if self._home is None else packed(self._home.metrics.part())

    def lost(self) -> None:
        """The first worker has ended, and with it the port and perhaps the database: there is nothing to drain for."""
        if not self._stopping.is_set():
            logger.error("the first worker has ended")
            os._exit(1)

    def _open(self) -> int:
        return 0 if self._home is None else self._home.open_connections()

    async def _flush_here(self) -> bool:
        return self._home is not None and await self._home.flush()

    async def _ask(self, topic: Topic, within: float) -> bytes | None:
        return None if self._link is None else await self._link.ask(topic, within)

    def _say(self, message: Message) -> None:
        if self._link is not None:
            self._link.send(message)

    def _take(self) -> None:
        """Take every connection that waits."""
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._way, 1, 1)
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            if not data:
                asyncio.get_running_loop().remove_reader(self._way)
                return
            for descriptor in descriptors:
                self._received += 1
                accepted = socket.socket(fileno=descriptor)
                if self._home is None:
                    accepted.close()
                else:
                    self._home.adopt(accepted)
