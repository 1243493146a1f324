"""One of the other workers as the first one sees it: its process, its link, its connections."""

import asyncio
import contextlib
import logging
import socket
import subprocess
from collections.abc import Awaitable, Callable

from dwctl.core.errors import SetupError
from dwctl.core.samples import Part, counted, merged, unpacked
from dwctl.server.workers.link import Failed, Link, Load, Message, Ready, Stop, Topic

logger = logging.getLogger(__name__)

READY_WITHIN = 60.0
PART_WITHIN = 2.0
END_WITHIN = 5.0
"""Seconds between the end of a link and that of its process."""
Start = Callable[[int, socket.socket, socket.socket], subprocess.Popen[bytes]]
"""Starts the worker of an index with its ends of the link and of the way for connections."""


class Hand:
    """Implements `Side`. Lives longer than its processes: a worker that dies is followed by one with the same index."""

    def __init__(
        self,
        index: int,
        start: Start,
        *,
        on_message: Callable[["Hand", Message], None],
        on_question: Callable[["Hand", Topic], Awaitable[bytes]],
    ) -> None:
        self.index = index
        self.serving = False
        self.link: Link | None = None
        self._start = start
        self._on_message = on_message
        self._on_question = on_question
        self._process: subprocess.Popen[bytes] | None = None
        self._way: socket.socket | None = None
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()
        self._refusal = ""
        self._handed = 0
        self._received = 0
        self._open = 0
        self._part: Part = []
        self._gone: Part = []

    @property
    def pid(self) -> int | None:
        """Of the process that runs."""
        return None if self._process is None else self._process.pid

    @property
    def load(self) -> int:
        """Connections that it has or is about to have."""
        return self._open + self._handed - self._received

    async def start(self) -> None:
        """Start a process; `ready` waits for it."""
        link, far_link = socket.socketpair()
        way, far_way = socket.socketpair()
        with far_link, far_way:
            try:
                self._process = self._start(self.index, far_link, far_way)
            except OSError as error:
                link.close()
                way.close()
                raise SetupError(f"worker {self.index} cannot be started: {error}") from error
        way.setblocking(False)
        self._way = way
        self._ready.clear()
        self._ended.clear()
        self._refusal = ""
        self._handed = self._received = self._open = 0
        self.link = await Link.open(link, self)

    async def ready(self) -> None:
        """Until it serves; raises `SetupError` when it does not."""
        try:
            async with asyncio.timeout(READY_WITHIN):
                await self._ready.wait()
        except TimeoutError:
            self._refusal = f"it was not ready within {READY_WITHIN:g} s"
        if not self.serving:
            await self.reap()
            raise SetupError(f"worker {self.index} did not start: {self._refusal or 'it ended'}")

    async def ended(self) -> None:
        """Until its process is gone."""
        await self._ended.wait()
        await self.reap()

    def give(self, accepted: socket.socket) -> bool:
        """Hand a connection over; false when it takes none now."""
        if self._way is None or not self.serving:
            return False
        try:
            socket.send_fds(self._way, [b"c"], [accepted.fileno()])
        except OSError:
            return False
        self._handed += 1
        return True

    def tell(self, message: Message) -> None:
        """Say something, if it is there."""
        if self.link is not None:
            self.link.send(message)

    def stop(self) -> None:
        """Ask it to drain and end."""
        self.tell(Stop())

    async def part(self) -> Part:
        """What it has counted, its predecessors included; what it said last when it does not answer."""
        told = None
        if self.link is not None and self.serving:
            told = await self.link.ask("part", PART_WITHIN)
        if told is not None:
            self._part = unpacked(told)
        return merged([self._part, self._gone])

    async def reap(self, within: float = END_WITHIN) -> int | None:
        """Wait for its end, or make it end; gives the exit status."""
        process, self._process = self._process, None
        link, self.link = self.link, None
        self.serving = False
        if self._way is not None:
            self._way.close()
            self._way = None
        if link is not None:
            await link.close()
        if process is None:
            return None
        try:
            await asyncio.to_thread(process.wait, within)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
        self._gone = merged([self._gone, counted(self._part)])
        self._part = []
        return process.returncode

    async def end(self, within: float) -> None:
        """Wait until it has ended by itself; too slow, it is killed, and its spool is replayed by the next start."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                if self._process is not None:
                    await self._ended.wait()
        if self._process is not None and not self._ended.is_set():
            logger.error("worker %d did not end within %g s and is killed", self.index, within)
            self._process.kill()
        await self.reap()

    def heard(self, message: Message) -> None:
        """Something was said."""
        if isinstance(message, Load):
            self._received, self._open = message.received, message.open
            return
        if isinstance(message, Ready):
            self.serving = True
            self._ready.set()
        elif isinstance(message, Failed):
            self._refusal = message.reason
        self._on_message(self, message)

    async def asked(self, topic: Topic) -> bytes:
        """The answer to a question."""
        return await self._on_question(self, topic)

    def lost(self) -> None:
        """Its process has ended, or will in a moment."""
        self.serving = False
        self._ready.set()
        self._ended.set()
