"""The first worker's side: starts the others, hands connections to them, starts those anew that die.

A `Service`. Wakes on: messages of the others and their ends. Writes: nothing. If it dies, all workers end with it: the
kernel kills them with this process, and what they had recorded is replayed by the next start. A worker that dies alone
is started again after a growing delay; the calls it had end as interrupted, their connections are cut.

Only this process accepts. Each connection goes to the worker that has the fewest, so that a few connections of
proxies are spread as evenly as many of clients, which neither the kernel's hash of addresses nor a race for the next
connection does. What a connection carries afterwards costs nothing more than in a process alone.
"""

import asyncio
import logging
import socket
from collections.abc import Sequence

from dwctl.core.errors import SetupError
from dwctl.core.samples import Part, page
from dwctl.server.workers.fellows import FLUSH_WITHIN, Home
from dwctl.server.workers.hand import Hand, Start
from dwctl.server.workers.link import Applied, Changed, Message, Ready, Serving, Topic, ask_all

logger = logging.getLogger(__name__)

RESTART_FIRST = 0.2
RESTART_MOST = 10.0
CALM = 60.0
"""Seconds that a worker must have lived for its death to be a first one again."""
STOP_MARGIN = 20.0
"""Seconds beyond the drain in which a worker commits what it has recorded."""


class First:
    """Implements `Crew`."""

    name = "workers"
    index = 0

    def __init__(self, count: int, start: Start, drain: float) -> None:
        self._hands = [
            Hand(index, start, on_message=self._heard, on_question=self._asked) for index in range(1, count)
        ]
        self._home: Home | None = None
        self._serving = frozenset({0})
        self._draining = False
        self.stop_within = drain + STOP_MARGIN

    def settle_in(self, home: Home) -> None:
        """Be told what this process has."""
        self._home = home

    @property
    def pids(self) -> list[int]:
        """Of the other workers."""
        return [hand.pid for hand in self._hands if hand.pid is not None]

    async def start(self) -> None:
        """Start all, and wait until all serve."""
        try:
            for hand in self._hands:
                await hand.start()
            for hand in self._hands:
                await hand.ready()
        except BaseException:
            await self.stop()
            raise

    async def run(self) -> None:
        """Keep each of them going."""
        async with asyncio.TaskGroup() as group:
            for hand in self._hands:
                group.create_task(self._keep(hand))

    async def stop(self) -> None:
        """Wait until all have ended."""
        self.drain()
        async with asyncio.TaskGroup() as group:
            for hand in self._hands:
                group.create_task(hand.end(self.stop_within - 1.0))

    def serving(self) -> frozenset[int]:
        """The workers that answer calls."""
        return self._serving

    def announce(self, notice: str, change: str) -> None:
        """This process has committed a change."""
        self._broadcast(Changed(notice, change))

    def tell(self, changes: Sequence[str]) -> None:
        """This process has applied them."""
        self._broadcast(Applied(0, tuple(changes)))

    def place(self, accepted: socket.socket) -> bool:
        """Give a connection to the worker with the fewest; false when that is this one, or nobody takes it."""
        least = self._home.open_connections() if self._home is not None else 0
        best: Hand | None = None
        for hand in self._hands:
            if hand.serving and hand.load < least:
                least, best = hand.load, hand
        return best is not None and best.give(accepted)

    def drain(self) -> None:
        """The others end what they have, then themselves."""
        self._draining = True
        for hand in self._hands:
            hand.stop()

    async def flush(self) -> bool:
        """Commit what is recorded anywhere."""
        return await self._flush(None)

    async def page(self) -> bytes:
        """The metrics of all workers in one text."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(hand.part()) for hand in self._hands]
        own: list[Part] = [] if self._home is None else [self._home.metrics.part()]
        return page([*own, *(task.result() for task in tasks)])

    async def _flush(self, but: Hand | None) -> bool:
        links = [
            hand.link for hand in self._hands if hand is not but and hand.serving and hand.link is not None
        ]
        async with asyncio.TaskGroup() as group:
            others = group.create_task(ask_all(links, "flush", FLUSH_WITHIN + 0.5))
            here = group.create_task(self._flush_here())
        return here.result() and all(answer == b"1" for answer in others.result())

    async def _flush_here(self) -> bool:
        return self._home is not None and await self._home.flush()

    async def _keep(self, hand: Hand) -> None:
        loop = asyncio.get_running_loop()
        delay = RESTART_FIRST
        began = loop.time()
        while True:
            await hand.ended()
            self._count()
            if self._draining:
                return
            if self._home is not None:
                self._home.worker_died()
            if loop.time() - began > CALM:
                delay = RESTART_FIRST
            logger.error("worker %d has ended; the next one starts in %.1f s", hand.index, delay)
            await asyncio.sleep(delay)
            delay = min(delay * 2, RESTART_MOST)
            began = loop.time()
            try:
                await hand.start()
                await hand.ready()
            except SetupError as error:
                logger.error("%s", error.message)
            else:
                logger.info("worker %d serves again", hand.index)

    def _heard(self, hand: Hand, message: Message) -> None:
        if isinstance(message, Ready):
            self._count()
        elif isinstance(message, Applied | Changed):
            for other in self._hands:
                if other is not hand:
                    other.tell(message)
            if self._home is None:
                return
            if isinstance(message, Applied):
                self._home.applied_by(hand.index, message.changes)
            else:
                self._home.changed(message.notice, message.change)

    async def _asked(self, hand: Hand, topic: Topic) -> bytes:
        if topic == "flush":
            return b"1" if await self._flush(hand) else b"0"
        return await self.page()

    def _count(self) -> None:
        """Tell all who serves now."""
        self._serving = frozenset({0, *(hand.index for hand in self._hands if hand.serving)})
        self._broadcast(Serving(tuple(self._serving)))
        if self._home is not None:
            self._home.membership_changed()

    def _broadcast(self, message: Message) -> None:
        for hand in self._hands:
            hand.tell(message)
