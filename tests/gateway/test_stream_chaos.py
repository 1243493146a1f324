"""200 clients stream while model servers die, hang, flap and lie: what is delivered is the beginning of what was said.

Byte for byte, with our id for the server's: nothing lost, nothing twice, nothing in another order. What the row holds
is what the client was sent.
"""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack

import msgspec

from dwctl.core.settings import Duration
from dwctl.gateway.settings import GatewaySettings, HealthSettings, PoolSettings, UpstreamSettings
from dwctl.routing.limit_book import LimitBook
from dwctl.routing.snapshot import Model
from dwctl.wire.chunks import Chunks
from tests.fakes.answers import (
    CLOSED,
    DONE,
    GARBAGE,
    HANG,
    KEEP_ALIVE,
    RESET,
    Answer,
    Framing,
    Hang,
    frames,
    reply,
    server_error,
    stream_reply,
)
from tests.fakes.incoming import Request
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, House, bearer, chat, encoded, model, pool, target
from tests.gateway.test_pool_chaos import FALLBACK, Flapping, load_of
from tests.gateway.test_pool_limits import limited

CLIENTS = 200
CALLS = 3
PATIENCE = 120.0
SETTINGS = GatewaySettings(
    upstream=UpstreamSettings(first_byte_timeout=Duration(0.5), idle_timeout=Duration(0.5)),
    pools=PoolSettings(
        health=HealthSettings(failures=3, eject_initial=Duration(0.05), eject_max=Duration(0.4))
    ),
    stream_keep_alive=Duration(0.1),
)
IDENT = b"chatcmpl-1"
SAID = frames(
    {"id": IDENT.decode(), "choices": [{"index": 0, "delta": {"content": f"{number} " * (number % 7 + 1)}}]}
    for number in range(60)
)
TEXT = b"".join(SAID)
ERROR = b'data: {"error":'


class Liar:
    """Streams the same text each time, and mostly not to its end."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def __call__(self, request: Request) -> Answer:
        """One of many."""
        draw = self._random
        whole = stream_reply(SAID)
        place = draw.randrange(200, whole.size())
        events = [("content-type", "text/event-stream")]
        ways = [
            *(CLOSED, RESET, GARBAGE, HANG, server_error(503)),
            *(
                whole,
                whole.in_pieces(draw.randrange(50, 500)),
                stream_reply(SAID, framing=Framing.UNTIL_CLOSE),
            ),
            *(whole.cut(place), whole.cut(place, reset=True), Answer((*whole.cut(place).steps[:-1], Hang()))),
            # A chunk whose size is no number, and one that is longer than it says.
            *(Answer((*whole.steps[:20], b"zz\r\n", *whole.steps[20:])),),
            Answer((*whole.steps[:20], b"5\r\n" + SAID[19], *whole.steps[20:])),
            # A length that is too small, and one that is too large.
            reply(SAID, headers=events, content_length=place % len(TEXT)),
            reply(SAID, headers=events, content_length=len(TEXT) + 99).closing(),
        ]
        return draw.choice(ways)


class Heard(msgspec.Struct, frozen=True):
    """What a client got until its connection ended."""

    status: int
    ident: bytes
    body: bytes
    whole: bool


async def ask(house: House, alias: str, version: str) -> Heard:
    """One stream, read to the end of the connection."""
    async with house.wire() as wire, asyncio.timeout(PATIENCE):
        headers = {**bearer(), "connection": "close"}
        wire.send(CHAT, encoded(chat(alias, stream=True)), headers, version=version)
        head, _, rest = (await wire.reader.read()).partition(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    whole = True
    if lines.get(b"transfer-encoding") == b"chunked":
        chunks = Chunks()
        rest, surplus = chunks.feed(rest)
        whole = chunks.ended and not surplus
    return Heard(int(head.split(b" ")[1]), lines[b"x-request-id"], rest, whole)


def check(heard: Heard) -> str:
    """Hold one answer to what was said; how it ended."""
    assert heard.whole
    if heard.status != 200:
        assert heard.body.startswith(b'{"error"')
        return "refused"
    body = heard.body.replace(KEEP_ALIVE, b"").replace(b"resp_" + heard.ident, IDENT)
    told, mark, _ = body.partition(ERROR)
    assert TEXT.startswith(told)
    if mark:
        return "cut"
    # A stream that ends where its server says that it does is whole, however short that is.
    return "whole" if told.endswith(DONE) else "short"


async def test_what_is_delivered_is_the_beginning_of_what_was_said() -> None:
    ended: Counter[str] = Counter()
    heard: dict[bytes, bytes] = {}
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(FakeUpstream()) for _ in range(4)]
        liar, worse, flapping, well = servers
        liar.respond, worse.respond = Liar(1), Liar(2)
        flapping.respond = well.respond = lambda _: stream_reply(SAID)
        places = [
            msgspec.structs.replace(target(server.url), endpoint_name=name)
            for name, server in zip(("liar", "worse", "flapping", "well"), servers, strict=True)
        ]
        models: list[Model] = [
            msgspec.structs.replace(known, limits=limited(f"model:{known.alias}", max_concurrent=10_000))
            for known in (
                pool("pool", *places, strategy="weighted_random", **FALLBACK),
                model("plain", places[0]),
                model("gone", places[2]),
                model("well", places[3]),
            )
        ]
        house = await stack.enter_async_context(House(*models, settings=SETTINGS, limits=LimitBook()))

        async def client(number: int) -> None:
            for turn in range(CALLS):
                place = number + turn
                alias = models[place % len(models)].alias
                if place % 11 == 0:
                    # It leaves in the middle, or before anything has come.
                    async with house.wire() as wire:
                        wire.send(CHAT, encoded(chat(alias, stream=True)), bearer())
                        await wire.reader.read(place % 2)
                    continue
                told = await ask(house, alias, "1.0" if place % 13 == 0 else "1.1")
                how = check(told)
                ended[how] += 1
                heard[told.ident] = told.body.replace(KEEP_ALIVE, b"")
                assert how == "whole" or alias != "well"

        coming_and_going = Flapping(flapping)
        async with asyncio.TaskGroup() as tasks:
            flaps = tasks.create_task(coming_and_going.run())
            async with asyncio.TaskGroup() as clients:
                for number in range(CLIENTS):
                    clients.create_task(client(number))
            flaps.cancel()
        await house.until(lambda: house.gateway.in_flight == 0, "every call has ended")

        starts = Counter(record.id for record, _ in house.ledger.started)
        ends = Counter(record.id for record, _ in house.ledger.finished)
        assert starts == ends
        assert set(ends.values()) == {1}
        rows = {record.id.encode(): body for record, body in house.ledger.finished}
        assert all(rows[ident] == body for ident, body in heard.items())
        assert not house.gateway._gate.held
        for known in models:
            assert set(load_of(house, known)) == {0}
        assert ended["whole"]
        assert ended["cut"]
        assert ended["refused"]
