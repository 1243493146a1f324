"""A model server of fixed capacity: it works at so many calls at a time, the others wait in the order of their coming.

Lines of batches are answered whole, interactive calls as a stream. It runs in a thread of its own.
"""

import asyncio
import heapq
import threading
import time
from typing import Self

import msgspec

from benchmarks.failures import Broken
from benchmarks.upstream import MODEL

SLOTS = 16
PREFILL = 0.2
DECODE = 0.8
LINE = 1.0
STARTS_WITHIN = 10.0
_LIST = msgspec.json.encode({"object": "list", "data": [{"id": MODEL, "object": "model"}]})
_WHOLE = msgspec.json.encode(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
    }
)


class _Asked(msgspec.Struct):
    stream: bool = False


class SlotServer:
    """`with SlotServer() as server:`."""

    def __init__(self) -> None:
        self.port = 0
        self._free = [0.0] * SLOTS
        self._ends: list[float] = []
        self._begun: list[float] = []
        self._waited = 0.0
        """When a call came that had to wait."""
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(STARTS_WITHIN):
            raise Broken("the model server of fixed capacity did not start")
        return self

    def __exit__(self, *reason: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    @property
    def lines(self) -> int:
        """Lines of batches that are here."""
        now = time.monotonic()
        with self._lock:
            self._ends = [end for end in self._ends if end > now]
            return len(self._ends)

    @property
    def calm(self) -> float:
        """Seconds since the last call that had to wait for a slot."""
        with self._lock:
            return time.monotonic() - self._waited

    def begun(self, since: float, until: float) -> int:
        """Lines that it began to work at in that time."""
        with self._lock:
            return sum(since <= each < until for each in self._begun)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._over.wait()
        server.close()
        talks = asyncio.all_tasks() - {asyncio.current_task()}
        for each in talks:
            each.cancel()
        if talks:
            await asyncio.wait(talks)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                _, _, length = head.partition(b"content-length:")
                body = await reader.readexactly(int(length.split(b"\r\n", 1)[0] or 0))
                await self._answer(body, writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        if not body:
            writer.write(_whole(_LIST))
            return
        streams = msgspec.json.decode(body, type=_Asked).stream
        takes = PREFILL + DECODE if streams else LINE
        now = time.monotonic()
        with self._lock:
            begins = max(now, heapq.heappop(self._free))
            heapq.heappush(self._free, begins + takes)
            if begins > now:
                self._waited = now
            if not streams:
                self._ends.append(begins + takes)
                self._begun.append(begins)
        if not streams:
            await asyncio.sleep(begins + takes - now)
            writer.write(_whole(_WHOLE))
            return
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        await asyncio.sleep(begins + PREFILL - now)
        writer.write(_event({"index": 0, "delta": {"role": "assistant", "content": "Hel"}}))
        await asyncio.sleep(DECODE)
        writer.write(_event({"index": 0, "delta": {"content": "lo."}, "finish_reason": "stop"}))
        writer.write(_piece(b"data: [DONE]\n\n") + b"0\r\n\r\n")


def _whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def _event(choice: dict[str, object]) -> bytes:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": [choice],
    }
    return _piece(b"data: %b\n\n" % msgspec.json.encode(chunk))


def _piece(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
