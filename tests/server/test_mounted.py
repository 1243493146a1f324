"""The same requests through our own port and through uvicorn: the same answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import uvicorn

from dwctl.gateway.settings import GatewaySettings
from dwctl.gateway.uploads.settings import UploadSettings
from dwctl.server.limits import ListenerSettings
from dwctl.server.mounted import Mounted
from tests.fakes.answers import Answer, Framing, Hang, reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway.form import TRANSCRIPTIONS, Part, form, headers, transcribed
from tests.gateway.house import CHAT, House, bearer, chat, model, no_application, target

LIMIT = 100_000
WRONG = {"authorization": "Bearer sk-wrong"}
DEADLINE = 10.0
REQUESTS: dict[str, tuple[str, str, dict[str, str], Any]] = {
    "a whole answer": ("POST", CHAT, bearer(), chat()),
    "a stream": ("POST", CHAT, bearer(), chat(stream=True)),
    "a wrong key": ("POST", CHAT, {"authorization": "Bearer sk-wrong"}, chat()),
    "no key": ("POST", CHAT, {}, chat()),
    "no JSON": ("POST", CHAT, bearer(), b"{"),
    "an unknown model": ("POST", CHAT, bearer(), chat("other")),
    "the models": ("GET", "/ai/v1/models", bearer(), None),
    "a body that is too large": ("POST", CHAT, bearer(), b"x" * (LIMIT + 1)),
    "a form": ("POST", TRANSCRIPTIONS, headers(), form(Part("model", b"m"), Part("file", b"x" * LIMIT, "f"))),
    "a form with a wrong key": ("POST", TRANSCRIPTIONS, {**headers(), **WRONG}, form(Part("model", b"m"))),
    "a form that is none": ("POST", TRANSCRIPTIONS, headers(), b"x" * LIMIT),
    "a form that is too large": ("POST", TRANSCRIPTIONS, headers(), form(Part("file", b"x" * 3 * LIMIT))),
    "JSON where forms go": ("POST", TRANSCRIPTIONS, bearer(), chat()),
    "another path": ("GET", "/elsewhere?a=b", {}, None),
}
VARYING = frozenset(
    {
        *("date", "server", "connection", "transfer-encoding", "content-length"),
        *("x-request-id", "x-onwards-response-id", "x-dwctl-overhead-ms"),
    }
)
"""Ids, times, and the framing that belongs to whoever serves."""


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    """A model server."""
    async with FakeUpstream() as running:
        yield running


@asynccontextmanager
async def uvicorn_with(mounted: Mounted) -> AsyncIterator[str]:
    """The base URL of a running uvicorn."""
    server = uvicorn.Server(
        uvicorn.Config(mounted, host="127.0.0.1", port=0, log_config=None, lifespan="off", http="httptools")
    )
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve())
        async with asyncio.timeout(DEADLINE):
            while not server.started:
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def both_ways(upstream: FakeUpstream) -> AsyncIterator[tuple[House, str, str]]:
    """The gateway, and its two addresses."""
    listener = ListenerSettings(max_body_bytes=LIMIT)
    settings = GatewaySettings(uploads=UploadSettings(max_bytes=2 * LIMIT, memory_bytes=LIMIT // 2))
    async with House(model("m", target(upstream.url)), listener=listener, settings=settings) as house:
        mounted = Mounted(house.gateway, no_application, max_body_bytes=LIMIT)
        async with uvicorn_with(mounted) as address:
            yield house, f"http://127.0.0.1:{house.port}", address


async def ask(address: str, method: str, path: str, headers: dict[str, str], body: Any) -> httpx.Response:
    """One request on a connection of its own."""
    content = body if isinstance(body, bytes) else None
    given = None if isinstance(body, bytes) else body
    async with httpx.AsyncClient(base_url=address, timeout=DEADLINE) as client:
        return await client.request(method, path, headers=headers, content=content, json=given)


def plain(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """What must be equal."""
    headers = {name: value for name, value in answer.headers.items() if name not in VARYING}
    ident = answer.headers.get("x-onwards-response-id", "none").encode()
    return answer.status_code, headers, answer.content.replace(ident, b"ID")


@pytest.mark.parametrize("name", list(REQUESTS))
async def test_both_ways_answer_alike(upstream: FakeUpstream, name: str) -> None:
    async with both_ways(upstream) as (house, ours, theirs):
        if "a form" in name:
            upstream.push(transcribed, transcribed)
        first = plain(await ask(ours, *REQUESTS[name]))
        second = plain(await ask(theirs, *REQUESTS[name]))
        assert house.gateway.kept_bytes == 0
    assert first == second


async def test_a_stream_that_is_cut_says_so_both_ways(upstream: FakeUpstream) -> None:
    async with both_ways(upstream) as (_, ours, theirs):
        for address in (ours, theirs):
            events = [("content-type", "text/event-stream")]
            upstream.push(reply(b"data: {}\n\n" * 500, framing=Framing.CHUNKED, headers=events).cut(-7))
            answer = await ask(address, "POST", CHAT, bearer(), chat(stream=True))
            assert b"cut its answer short" in answer.content


def left(upstream: FakeUpstream, count: int) -> bool:
    """Whether so many calls were given up by whoever made them."""
    return sum(post.left_early for post in upstream.posts) == count


async def test_a_client_that_leaves_ends_the_call_both_ways(upstream: FakeUpstream) -> None:
    async with both_ways(upstream) as (house, ours, theirs):
        for number, address in enumerate((ours, theirs), start=1):
            upstream.push(Answer((Hang(),)))
            async with httpx.AsyncClient(base_url=address, timeout=0.3) as client:
                with pytest.raises(httpx.ReadTimeout):
                    await client.post(CHAT, headers=bearer(), json=chat())
            await upstream.wait_until(partial(left, upstream, number))
            record = await house.recorded(number)
            assert record.status_code == 499
