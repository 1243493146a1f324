"""Callers that go on until the product is gone, and who remember every answer that reached them whole."""

import asyncio
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.fakes.model import MODEL

HEADER = "x-onwards-response-id"
CALLERS = 24
DEADLINE = 60.0


@dataclass
class Calls:
    """What the callers know. A nonce is a call's own text, found again upstream and in the row's body."""

    sent: set[str] = field(default_factory=set)
    answered: dict[str, str] = field(default_factory=dict)
    """Nonce to response id, of the calls whose answer was read to its end."""
    refused: list[str] = field(default_factory=list)
    """Answers other than 200, which nobody expects."""
    _change: threading.Condition = field(default_factory=threading.Condition)

    def take(self, nonce: str, ident: str) -> None:
        """An answer is whole."""
        with self._change:
            self.answered[nonce] = ident
            self._change.notify_all()

    def refuse(self, text: str) -> None:
        """An answer is not what it should be."""
        with self._change:
            self.refused.append(text)
            self._change.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until so many answers have come in all."""
        with self._change:
            came = self._change.wait_for(lambda: self.refused or len(self.answered) >= count, DEADLINE)
        if not came or self.refused:
            raise AssertionError(f"{len(self.answered)} of {count} answers came; refused: {self.refused[:3]}")


@contextmanager
def callers(calls: Calls, base_url: str, key: str, over: threading.Event | None = None) -> Iterator[None]:
    """Call without pause while the block lasts, every third time as a stream.

    They end with the product; with `over`, a broken connection is followed by another until it is set.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(
        target=loop.run_until_complete,
        args=(_call_all(calls, base_url, key, over),),
        name="callers",
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        if over is not None:
            over.set()
        thread.join(DEADLINE)
        if thread.is_alive():
            raise AssertionError("the callers did not notice that the product is gone")
        loop.close()


async def _call_all(calls: Calls, base_url: str, key: str, over: threading.Event | None) -> None:
    headers = {"authorization": f"Bearer {key}"}
    limits = httpx.Limits(max_connections=CALLERS, max_keepalive_connections=CALLERS)
    async with (
        httpx.AsyncClient(base_url=base_url, headers=headers, timeout=20, limits=limits) as client,
        asyncio.TaskGroup() as tasks,
    ):
        for number in range(CALLERS):
            tasks.create_task(_call_on(calls, client, over, stream=number % 3 == 0))


async def _call_on(
    calls: Calls, client: httpx.AsyncClient, over: threading.Event | None, *, stream: bool
) -> None:
    """One caller: the next call follows the last answer, until a connection breaks or is refused, or it is over."""
    while over is None or not over.is_set():
        nonce = uuid.uuid4().hex
        calls.sent.add(nonce)
        body = {"model": MODEL, "messages": [{"role": "user", "content": nonce}], "stream": stream}
        try:
            answer = await client.post("/chat/completions", json=body)
        except httpx.TransportError:
            if over is None:
                return
            continue
        if answer.status_code != 200 or (stream and "data: [DONE]" not in answer.text):
            calls.refuse(f"{answer.status_code} {answer.text[-300:]}")
            return
        calls.take(nonce, answer.headers[HEADER])
