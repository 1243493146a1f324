"""Compressed bodies: the model server gets the plain one, nobody gets a bomb."""

import asyncio
import gzip
import os
import time
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dwctl.gateway.inflate import INLINE_BYTES, MAX_MEMBERS, TooLarge, inflate
from dwctl.wire.errors import Refused
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, House, bearer, chat, encoded, model, target


def raw(data: bytes) -> bytes:
    """Deflate without zlib's two bytes, as some clients send it."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw": raw,
}
LARGE = encoded(chat(user=os.urandom(INLINE_BYTES).hex()))
PACKED = encoded(chat(user="a" * 4 * INLINE_BYTES))


@pytest.mark.parametrize("body", [encoded(chat()), PACKED, LARGE], ids=["small", "packed", "large"])
@pytest.mark.parametrize(
    ("coding", "compress"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP, identity", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw),
        ("identity", bytes),
    ],
)
async def test_the_model_server_gets_the_plain_body(
    upstream: FakeUpstream, body: bytes, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    async with House(model("fake-model", target(upstream.url))) as house, house.wire() as wire:
        sent = body.replace(b'"model":"m"', b'"model":"fake-model"')
        for _ in range(2):
            wire.send(CHAT, compress(sent), {**bearer(), "content-encoding": coding})
            assert (await wire.answer()).status == 200
        record = await house.recorded(2)

    assert [request.body for request in upstream.posts] == [sent, sent]
    assert upstream.posts[0].header("content-encoding") is None
    assert house.ledger.started[0][1] == sent
    assert record.request_size == len(sent)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"plain",
        gzip.compress(encoded(chat()))[:-1],
        gzip.compress(encoded(chat())) + b"more",
        gzip.compress(encoded(chat()))[:20] + bytes(30),
        gzip.compress(b"") * (MAX_MEMBERS + 1),
        gzip.compress(LARGE)[:-9],
    ],
    ids=["empty", "plain", "cut", "followed", "broken", "members", "large and cut"],
)
async def test_a_body_that_is_not_what_it_says_is_400(upstream: FakeUpstream, body: bytes) -> None:
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        head = {**bearer(), "content-encoding": "gzip", "content-length": str(len(body))}
        lines = [f"POST {CHAT} HTTP/1.1", "host: x", *(f"{name}: {value}" for name, value in head.items())]
        wire.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        answer = await wire.answer()

    assert answer.status == 400
    assert answer.json()["error"]["message"] == "The body is not what Content-Encoding says: not valid gzip."
    assert upstream.posts == []


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "deflate, gzip", "compress", "gzip;q=1"])
async def test_a_coding_that_is_not_known_is_415(upstream: FakeUpstream, coding: str) -> None:
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(), headers={"content-encoding": coding})

    assert answer.status == 415
    assert answer.json()["error"]["code"] == "unsupported_content_encoding"
    assert "gzip, deflate" in answer.json()["error"]["message"]
    assert answer.header("accept-encoding") == "gzip, deflate"


@pytest.mark.parametrize("limit", [1000, 4 * INLINE_BYTES])
async def test_the_limit_of_a_body_holds_for_the_plain_one_from_both_sides(
    upstream: FakeUpstream, limit: int
) -> None:
    empty = len(encoded(chat(user="")))
    async with House(model("m", target(upstream.url)), max_body_bytes=limit) as house:
        for size, status in ((limit, 200), (limit + 1, 413)):
            body = gzip.compress(encoded(chat(user="a" * (size - empty))))
            answer = await house.call(body, headers={"content-encoding": "gzip"})
            assert answer.status == status, size
        assert answer.json()["error"] == {
            "message": f"The request's body is larger than {limit} bytes.",
            "type": "invalid_request_error",
            "param": None,
            "code": "payload_too_large",
        }


async def test_a_bomb_is_not_unpacked_for_a_stranger_and_holds_nobody_up(upstream: FakeUpstream) -> None:
    bomb = gzip.compress(bytes(200 << 20), 1)
    async with House(model("m", target(upstream.url)), max_body_bytes=64 << 20) as house:
        stranger = await house.call(bomb, headers={**bearer("sk-x"), "content-encoding": "gzip"})
        assert stranger.status == 401
        longest = 0.0
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(house.call(bomb, headers={"content-encoding": "gzip"}))
            while not call.done():
                before = time.thread_time()
                await asyncio.sleep(0)
                longest = max(longest, time.thread_time() - before)
        assert call.result().status == 413

    # Of the loop's own time; unpacking takes a hundred times as long.
    assert longest < 0.02


async def test_a_client_that_leaves_meanwhile_makes_no_call(upstream: FakeUpstream) -> None:
    body = gzip.compress(encoded(chat(user="a" * (24 << 20))), 1)
    async with House(model("m", target(upstream.url))) as house:
        async with house.wire() as wire:
            wire.send(CHAT, body, {**bearer(), "content-encoding": "gzip"})
            await wire.writer.drain()
            wire.writer.write_eof()
            assert await wire.reader.read() == b""
        assert (await house.call(chat())).status == 200
        assert len(house.ledger.started) == 1


@given(some.binary(max_size=2000), some.sampled_from(["gzip", "deflate", "raw"]), some.integers(0, 2200))
def test_unpacking_gives_the_body_or_says_that_it_is_too_large(data: bytes, coding: str, limit: int) -> None:
    packed = PACKERS[coding](data)
    name = "gzip" if coding == "gzip" else "deflate"
    if len(data) <= limit:
        assert inflate(packed, name, limit) == data
    else:
        with pytest.raises(TooLarge):
            inflate(packed, name, limit)


@given(some.lists(some.binary(max_size=200), min_size=1, max_size=MAX_MEMBERS))
def test_members_of_gzip_follow_one_another(parts: list[bytes]) -> None:
    packed = b"".join(map(gzip.compress, parts))
    whole = b"".join(parts)
    assert inflate(packed, "gzip", len(whole)) == whole


@given(some.binary(max_size=300), some.sampled_from(["gzip", "deflate"]))
def test_no_body_is_too_odd(data: bytes, coding: str) -> None:
    with suppress(Refused, TooLarge):
        inflate(data, coding, 1000)
