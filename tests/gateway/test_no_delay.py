"""No piece of a stream waits for the acknowledgement of the one before it (TCP_NODELAY on both sides)."""

import socket

from tests.fakes import shapes
from tests.fakes.answers import Answer, Hang, frames, stream_reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, House, bearer, chat, encoded, model, target


async def test_neither_side_of_a_stream_waits_for_acknowledgements(upstream: FakeUpstream) -> None:
    events = frames(shapes.chat_chunks("fake-model", ["a"]))[:1]
    upstream.push(Answer((*stream_reply(events).steps[:-1], Hang())))
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat(stream=True)), bearer())
        await wire.answer(head_only=True)
        await wire.chunk()

        clients = [one.transport for one in house.listener._connections]
        servers = [one.transport for origin in house.client._origins.values() for one in origin._busy]
        assert (len(clients), len(servers)) == (1, 1)
        for transport in (*clients, *servers):
            assert transport is not None
            assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
