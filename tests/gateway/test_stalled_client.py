"""A client that takes no byte of its answer is given up after `listener.write_timeout`; a slow one is waited for."""

import asyncio

from dwctl.core.settings import Duration
from dwctl.requests.record import State
from dwctl.server.connection import Connection
from dwctl.server.limits import ListenerSettings
from tests.fakes.answers import HANG, stream_reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, House, bearer, chat, encoded, model, target
from tests.gateway.wire import Wire

LIMIT = 120.0
USAGE = b'"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}'
EVENT = b'data: {"id":"chatcmpl-1","choices":[{"delta":{"content":"%b"}}],%b}\n\n' % (b"x" * 65536, USAGE)
LONG = stream_reply([EVENT] * 512)
"""More than all buffers on the way hold."""


def house_on(upstream: FakeUpstream) -> House:
    """A gateway whose clients may take nothing for `LIMIT` seconds; its sweep is the test's, with times it makes up."""
    return House(model("m", target(upstream.url)), listener=ListenerSettings(write_timeout=Duration(LIMIT)))


async def stalled(house: House, wire: Wire) -> Connection:
    """The connection of a client that asked for a stream and reads nothing of it."""
    wire.pause()
    wire.send(CHAT, encoded(chat(stream=True)), bearer())
    await full(house)
    return next(iter(house.listener._connections))


async def full(house: House) -> None:
    """Wait until nothing moves any more."""
    before, same = -1, 0

    def still() -> bool:
        nonlocal before, same
        unsent = max(map(waits, house.listener._connections), default=0)
        same = same + 1 if unsent == before > 65536 else 0
        before = unsent
        return same == 10

    await house.until(still, "all buffers are full")


def waits(connection: Connection) -> int:
    """Bytes for the client that the process holds."""
    return 0 if connection.transport is None else connection.transport.get_write_buffer_size()


async def test_a_client_that_takes_nothing_is_cut_and_recorded(upstream: FakeUpstream) -> None:
    upstream.push(LONG)
    async with house_on(upstream) as house, house.wire() as wire:
        connection = await stalled(house, wire)
        now = asyncio.get_running_loop().time()
        connection.sweep(now)
        connection.sweep(now + LIMIT)
        assert house.gateway.in_flight == 1
        connection.sweep(now + LIMIT + 0.1)
        record = await house.recorded()
        await upstream.wait_until(lambda: not upstream.open_connections, "the model server has been left")
        assert house.gateway.in_flight == 0
    assert (record.status_code, record.state, record.error_code) == (
        499,
        State.FAILED,
        "client_closed_request",
    )
    assert (record.total_tokens, record.response_size > 65536) == (7, True)


async def test_a_client_that_takes_some_is_waited_for(upstream: FakeUpstream) -> None:
    upstream.push(LONG)
    async with house_on(upstream) as house, house.wire() as wire:
        connection = await stalled(house, wire)
        now = asyncio.get_running_loop().time()
        connection.sweep(now)
        held = waits(connection)
        wire.resume()
        while waits(connection) >= held:
            await wire.reader.read(1 << 16)
        wire.pause()
        await full(house)
        connection.sweep(now + LIMIT - 1)
        connection.sweep(now + 2 * LIMIT - 2)
        assert house.gateway.in_flight == 1
        connection.sweep(now + 2 * LIMIT)
        await house.recorded()


async def test_a_client_for_whom_nothing_waits_may_be_silent(upstream: FakeUpstream) -> None:
    upstream.push(HANG)
    async with house_on(upstream) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat(stream=True)), bearer())
        await upstream.wait_for(1)
        connection = next(iter(house.listener._connections))
        now = asyncio.get_running_loop().time()
        for passed in range(4):
            connection.sweep(now + passed * LIMIT)
        assert house.gateway.in_flight == 1
