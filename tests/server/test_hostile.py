"""Clients that mean no good, or know no better: each is answered, its connection ends, and nobody waits for it."""

import asyncio
import json

import pytest

from dwctl.core.settings import Duration
from dwctl.server.limits import ListenerSettings
from tests.server.test_listener import DEADLINE, House, get, house, post

AI = "/ai/v1/chat/completions"


def error_of(answer: bytes) -> dict[str, object]:
    """The object under `error` in OpenAI's envelope."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    assert b"connection: close" in head
    error: dict[str, object] = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        (post(AI, b"", *[f"x-{n}: 1" for n in range(200)]), 431, "more than 128 header lines"),
        (post(AI, b"", *[f"x-{n}: {'a' * 1000}" for n in range(100)]), 431, "larger than 65536 bytes"),
        (post(f"{AI}?{'a' * 9000}", b""), 414, "longer than 8192 bytes"),
        (post(AI, b"", "broken header"), 400, "A header line is malformed."),
        (post(AI, b"", "content-length: 5"), 400, "Content-Length must be one number."),
        (post(AI, b"", "content-length: 99999999999")[:-4].replace(b"content-length: 0\r\n", b"") + b"\r\n\r\n",
         413, "larger than 33554432 bytes"),
    ],
)  # fmt: skip
async def test_a_refused_head_of_a_call_has_the_envelope(asked: bytes, status: int, told: str) -> None:
    async with house() as made:
        answer = await made.say(asked)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert told in str(error_of(answer)["message"])
        assert not made.echo.seen


async def test_other_paths_are_told_in_plain_text() -> None:
    async with house() as made:
        answer = await made.say(get("/admin", *[f"x-{n}: 1" for n in range(200)]))
    assert b"content-type: text/plain" in answer
    assert answer.endswith(b"The request has more than 128 header lines.")


async def test_a_client_that_speaks_tls_is_told_at_once() -> None:
    async with house() as made:
        answer = await made.say(b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03" + b"a" * 200)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"This port speaks HTTP, not HTTPS.")


async def trickle(made: House, data: bytes, every: float) -> bytes:
    """Send bytes one by one until the server has enough of it; what it said."""
    reader, writer = await made.connect()
    answer = asyncio.get_running_loop().create_task(reader.read())
    async with asyncio.timeout(DEADLINE):
        for byte in data:
            writer.write(bytes([byte]))
            done, _ = await asyncio.wait([answer], timeout=every)
            if done:
                break
        said = await answer
    writer.close()
    return said


async def test_a_head_that_trickles_in_has_its_time_as_a_whole() -> None:
    async with house(ListenerSettings(head_timeout=Duration(0.3))) as made:
        said = await trickle(made, b"POST " + AI.encode() + b" HTTP/1.1\r\nx: " + b"y" * 10_000, 0.05)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert "did not arrive in time" in str(error_of(said)["message"])
        # Byte by byte within that time is a request like any other.
        said = await trickle(made, get("/ai/x", "connection: close"), 0.001)
        assert b"/ai/x||0" in said


async def test_the_time_of_a_second_head_begins_after_the_first_answer() -> None:
    async with house(ListenerSettings(head_timeout=Duration(0.3))) as made:
        reader, writer = await made.connect()
        writer.write(get("/ai/hold") + b"GET /ai/x HT")
        async with asyncio.timeout(DEADLINE):
            while not made.echo.held:
                await asyncio.sleep(0)
            made.echo.answer(made.echo.held[0])
            await reader.readuntil(b"/ai/hold||0")
            writer.write(b"TP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert b"/ai/x||0" in await reader.read()
        writer.close()


async def test_what_follows_a_refused_request_is_not_served() -> None:
    async with house(ListenerSettings(max_body_bytes=10)) as made:
        for wrong in (b"GET x HTTP/1.1\r\nhost: a\r\n\r\n", post("/ai/a", b"x" * 11)):
            answer = await made.say(wrong + get("/ai/b") + get("/c"))
            assert answer.count(b"HTTP/1.1 ") == 1
        assert not made.echo.seen


async def test_a_body_too_large_by_its_own_word_is_refused_unsent() -> None:
    """`Expect: 100-continue`: nothing of it has to be sent."""
    async with house(ListenerSettings(max_body_bytes=1000)) as made:
        reader, writer = await made.connect()
        writer.write(post("/ai/a", b"", "expect: 100-continue").replace(b"length: 0", b"length: 50000000"))
        async with asyncio.timeout(DEADLINE):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert error_of(answer)["code"] == "payload_too_large"


async def test_nothing_of_a_chunked_body_is_kept_beyond_the_limit() -> None:
    async with house(ListenerSettings(max_body_bytes=100_000)) as made:
        reader, writer = await made.connect()
        writer.write(b"POST /ai/a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(500):
            writer.write(b"186a0\r\n" + b"x" * 100_000 + b"\r\n")
            await writer.drain()
        held = [sum(map(len, connection._parts)) for connection in made.listener._connections]
        async with asyncio.timeout(DEADLINE):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert held == [0]


async def test_others_are_served_meanwhile() -> None:
    async with house() as made:
        waiting = [await made.connect() for _ in range(4)]
        half = (b"POST /ai/a HT", post("/ai/a", b"x" * 100)[:-50], post("/b", b"x" * 9)[:-1], get("/ai/hold"))
        for (_, writer), begun in zip(waiting, half, strict=True):
            writer.write(begun)
            await writer.drain()
        for _ in range(50):
            assert b"/ai/x||0" in await made.say(get("/ai/x", "connection: close"))
        for _, writer in waiting:
            writer.close()
