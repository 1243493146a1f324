"""One connection: messages in, one turn at a time, events out.

Two tasks: one reads what the client sends, the other runs the turns in their order. A turn is a call through the
gateway's pipeline like any other: admitted, limited, recorded, charged. A client that leaves cancels the turn that
runs. If the process dies, the turn is a call that was interrupted, and what the connection remembered is gone with it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from dwctl.core.ids import new_id
from dwctl.engine.responses.socket.settings import SocketSettings
from dwctl.engine.responses.socket.turns import (
    Memory,
    Turn,
    fault_of,
    frame_of,
    frame_of_reply,
    remembers,
    told,
    turn_of,
    warmed,
)
from dwctl.wire.errors import Problem, Refused
from dwctl.wire.inference import Inference
from dwctl.wire.sse import Cutter, EventTooLarge, data_of, events

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PATH = "/ai/v1/responses"
NORMAL = 1000
POLICY = 1008
_OF_THE_UPGRADE = frozenset(
    {b"connection", b"upgrade", b"content-type", b"content-length", b"accept-encoding"}
)
_TOO_LONG = Problem(
    status=400,
    message="This connection has been used for as long as one may be; open another one.",
    code="websocket_connection_limit_reached",
)
_DONE = b"[DONE]"


class ResponseConnection:
    """From its acceptance to its end."""

    def __init__(
        self,
        inference: Inference,
        settings: SocketSettings,
        key_digest: bytes,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
    ) -> None:
        self._inference = inference
        self._settings = settings
        self._key_digest = key_digest
        self._scope = scope
        self._receive = receive
        self._send = send
        self._messages: deque[bytes] = deque()
        self._some = asyncio.Event()
        self._gone = asyncio.Event()
        self._memory: Memory | None = None

    async def run(self) -> None:
        """Until the client leaves, or the connection has been used long enough."""
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._read(), name="messages")
            try:
                until = asyncio.get_running_loop().time() + self._settings.lifetime
                while (message := await self._next(until)) is not None:
                    await self._turn(message)
            except OSError:
                # The client has left while it was told something.
                return
            finally:
                reading.cancel()

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                break
            if len(self._messages) >= self._settings.max_waiting:
                await self._close(POLICY, "too many turns wait for the one that runs")
                break
            text = message.get("text")
            self._messages.append(message.get("bytes") or b"" if text is None else text.encode())
            self._some.set()
        self._gone.set()
        self._some.set()

    async def _next(self, until: float) -> bytes | None:
        """The next message; None when there will be none."""
        try:
            async with asyncio.timeout_at(until):
                while not self._messages and not self._gone.is_set():
                    self._some.clear()
                    await self._some.wait()
        except TimeoutError:
            await self._say(frame_of(_TOO_LONG))
            await self._close(NORMAL, "the connection has come to its end")
            return None
        return None if self._gone.is_set() else self._messages.popleft()

    async def _turn(self, message: bytes) -> None:
        try:
            turn = turn_of(message, self._memory)
        except Refused as refusal:
            await self._say(frame_of(refusal.problem))
            return
        problem = fault_of(turn)
        if problem is not None:
            await self._say(frame_of(problem))
            self._keep(turn, None, failed=True)
            return
        if not turn.generates:
            for event in warmed(turn, new_id(), int(time.time())):
                await self._say(event.text)
                if event.ends:
                    self._keep(turn, event.answered, failed=False)
            return
        answer = _Answer(turn, self._say)
        call = _Call(turn.body, self._gone)
        headers = [pair for pair in self._scope["headers"] if _goes_on(pair[0])]
        headers += [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(turn.body)).encode()),
        ]
        scope = {**self._scope, "type": "http", "method": "POST", "headers": headers, "query_string": b""}
        try:
            await self._inference.run(PATH, self._key_digest, scope, call.receive, answer.take)
        except* OSError:
            # Cut short, or the client has left.
            pass
        if self._gone.is_set():
            return
        await answer.end()
        self._keep(turn, answer.memory, failed=answer.failed)

    def _keep(self, turn: Turn, known: Memory | None, *, failed: bool) -> None:
        """Remember what later turns may go on from."""
        if not failed:
            self._memory = (
                known if known is not None and remembers(known, self._settings.max_memory) else None
            )
        elif self._memory is not None and turn.previous == self._memory.response_id:
            # Whatever it went on from may be what it failed for.
            self._memory = None

    async def _say(self, text: bytes) -> None:
        if not self._gone.is_set():
            await self._send({"type": "websocket.send", "text": text.decode("utf-8", "replace")})

    async def _close(self, code: int, reason: str) -> None:
        if not self._gone.is_set():
            self._gone.set()
            await self._send({"type": "websocket.close", "code": code, "reason": reason})


class _Call:
    """The ASGI request of a turn, as the gateway reads it."""

    def __init__(self, body: bytes, gone: asyncio.Event) -> None:
        self._body: bytes | None = body
        self._gone = gone

    async def receive(self) -> Message:
        """The body, and the client's leaving."""
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}


class _Answer:
    """Its answer: each event is one message; an answer that is no stream is an error."""

    def __init__(self, turn: Turn, say: Callable[[bytes], Awaitable[None]]) -> None:
        self.failed = False
        self.memory: Memory | None = None
        self._turn = turn
        self._say = say
        self._status = 502
        self._streams = False
        self._ended = False
        self._cutter = Cutter()
        self._body: list[bytes] = []

    async def take(self, message: Message) -> None:
        """A part of it."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
            self._streams = self._status < 300 and any(v.startswith(b"text/event-stream") for v in kinds)
            return
        data = message.get("body", b"")
        if not self._streams:
            self._body.append(data)
            return
        try:
            whole = self._cutter.feed(data) if data else b""
        except EventTooLarge:
            return
        for event in events(whole):
            await self._tell(data_of(event))

    async def end(self) -> None:
        """It is complete, or cut short."""
        if self._streams and self._ended:
            return
        self.failed = True
        status, body = (502, b"") if self._streams else (self._status, b"".join(self._body))
        await self._say(frame_of_reply(status if status >= 400 else 502, body))

    async def _tell(self, data: bytes) -> None:
        if not data or data == _DONE or self._ended:
            return
        event = told(self._turn, data)
        self._ended = event.ends
        self.failed = event.failed
        self.memory = event.answered
        await self._say(event.text)


def _goes_on(name: bytes) -> bool:
    return name not in _OF_THE_UPGRADE and not name.startswith(b"sec-websocket-")
