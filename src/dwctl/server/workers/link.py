"""What the first worker and another one say to each other: short messages over a socket pair.

A message is its length in four bytes and MessagePack. Either side may ask the other a question and wait for the
answer. The link's end is the end of the process on the other side.
"""

import asyncio
import socket
from typing import Literal, Protocol, cast

import msgspec

from dwctl.core.services import TaskSet

Topic = Literal["flush", "part", "page"]
"""Commit what is recorded; the metrics of the one asked; the metrics of all."""


class Ready(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The worker serves."""


class Failed(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The worker cannot start."""

    reason: str


class Load(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """How many connections the worker was given in all, and how many are open."""

    received: int
    open: int


class Changed(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A worker has committed a change; whoever hears of it reads what the notice names, and says so by the id."""

    notice: str
    change: str


class Applied(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A worker has applied the changes of these ids to its routing state."""

    worker: int
    changes: tuple[str, ...]


class Serving(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The workers that serve now."""

    workers: tuple[int, ...]


class Stop(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Drain and end."""


class Question(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Wants an `Answer` of the same number."""

    number: int
    topic: Topic


class Answer(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """To a question."""

    number: int
    content: bytes


Message = Ready | Failed | Load | Changed | Applied | Serving | Stop | Question | Answer
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


class Side(Protocol):
    """Who has one end of a link."""

    def heard(self, message: Message) -> None:
        """Something was said."""
        ...

    async def asked(self, topic: Topic) -> bytes:
        """The answer to a question."""
        ...

    def lost(self) -> None:
        """The other side has ended."""
        ...


class Link(asyncio.Protocol):
    """One end."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._buffer = b""
        self._number = 0
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._tasks = TaskSet()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, end: socket.socket, side: Side) -> "Link":
        """A link over one end of a socket pair."""
        link = cls(side)
        end.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: link, end)
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without the base class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        while len(data) >= 4:
            end = 4 + int.from_bytes(data[:4], "big")
            if len(data) < end:
                break
            message = _decode(data[4:end])
            data = data[end:]
            self._take(message)
        self._buffer = data

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError("the other process has ended"))
        self._side.lost()

    def send(self, message: Message) -> None:
        """Say something; to nobody when the other side has ended."""
        if self._transport is not None:
            body = _encode(message)
            self._transport.write(len(body).to_bytes(4, "big") + body)

    async def ask(self, topic: Topic, within: float) -> bytes | None:
        """The answer; None when none comes within so many seconds."""
        self._number += 1
        number = self._number
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            if self._transport is None:
                return None
            self.send(Question(number, topic))
            async with asyncio.timeout(within):
                return await future
        except (TimeoutError, ConnectionError):
            return None
        finally:
            del self._waiting[number]

    async def close(self) -> None:
        """Let go."""
        await self._tasks.cancel()
        if self._transport is not None:
            self._transport.close()

    def _take(self, message: Message) -> None:
        if isinstance(message, Answer):
            future = self._waiting.get(message.number)
            if future is not None and not future.done():
                future.set_result(message.content)
        elif isinstance(message, Question):
            self._tasks.spawn(self._answer(message), name=f"answer {message.topic}")
        else:
            self._side.heard(message)

    async def _answer(self, question: Question) -> None:
        self.send(Answer(question.number, await self._side.asked(question.topic)))


async def ask_all(links: list[Link], topic: Topic, within: float) -> list[bytes | None]:
    """The answers of several at once, in their order."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(link.ask(topic, within)) for link in links]
    return [task.result() for task in tasks]
