"""Many clients, and model servers that die, hang, flap and lie, while one is well: every call is answered once."""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack

import msgspec

from dwctl.core.settings import Duration
from dwctl.gateway.settings import GatewaySettings, HealthSettings, PoolSettings, UpstreamSettings
from dwctl.requests.record import State
from dwctl.routing.snapshot import Model
from tests.fakes.answers import (
    CLOSED,
    GARBAGE,
    HANG,
    KEEP_ALIVE,
    RESET,
    Answer,
    frames,
    json_reply,
    reply,
    server_error,
    stream_reply,
    too_many_requests,
)
from tests.fakes.incoming import Request
from tests.fakes.model import ModelServer
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, House, bearer, chat, encoded, pool, target

CLIENTS = 60
CALLS = 12
SETTINGS = GatewaySettings(
    upstream=UpstreamSettings(first_byte_timeout=Duration(0.4), idle_timeout=Duration(0.4)),
    pools=PoolSettings(
        health=HealthSettings(failures=3, eject_initial=Duration(0.05), eject_max=Duration(0.4))
    ),
)
FALLBACK = {
    "on_status": [5, 429],
    "max_attempts": 8,
    "backoff": {"initial_ms": 1, "max_ms": 20},
    "retry_budget": {"ratio": 100, "burst": 100_000},
}
WELL = ModelServer(text="well and whole")


class Sick:
    """Misbehaves in a different way each time, and is well now and then."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def __call__(self, request: Request) -> Answer:
        """One of many."""
        error = {"error": {"message": "no capacity", "code": 503}}
        whole = WELL(request)
        ways = [
            *(CLOSED, RESET, GARBAGE, HANG, server_error(), server_error(503), too_many_requests("0")),
            *(too_many_requests("1"), json_reply(error), stream_reply([KEEP_ALIVE, *frames([error])])),
            *(reply(b"", headers=[("content-type", "application/json")]), whole.cut(20), whole),
        ]
        return self._random.choice(ways)


class Flapping:
    """A server that is there and gone, again and again."""

    def __init__(self, upstream: FakeUpstream) -> None:
        self._upstream = upstream
        self.turns = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(0.06)
            await self._upstream.stop()
            await asyncio.sleep(0.04)
            await self._upstream.start()
            self.turns += 1


def load_of(house: House, model: Model) -> list[int]:
    """Calls under way by target, as the choice sees them."""
    return [house.gateway.conditions.of(known).load.active for known in model.targets]


async def test_every_call_is_answered_while_most_targets_fail() -> None:
    told: Counter[int] = Counter()
    async with AsyncExitStack() as stack:
        well, sick, sicker, flapping = [await stack.enter_async_context(FakeUpstream()) for _ in range(4)]
        well.respond = WELL
        sick.respond, sicker.respond = Sick(1), Sick(2)
        flapping.respond = WELL
        targets = [
            msgspec.structs.replace(target(server.url), endpoint_name=name)
            for name, server in (("sick", sick), ("sicker", sicker), ("flapping", flapping), ("well", well))
        ]
        wanted = pool("m", *targets, strategy="weighted_random", **FALLBACK)
        house = await stack.enter_async_context(House(wanted, settings=SETTINGS))

        async def client(number: int) -> None:
            for turn in range(CALLS):
                async with house.wire() as wire:
                    streamed = bool((number + turn) % 2)
                    wire.send(CHAT, encoded(chat(stream=streamed)), bearer())
                    if (number + turn) % 17 == 0:
                        continue  # it leaves at once
                    answer = await wire.answer()
                told[answer.status] += 1
                if answer.status == 200:
                    assert b"whole" in answer.body or b'"error"' in answer.body
                    assert b"no capacity" not in answer.body

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
        assert load_of(house, wanted) == [0, 0, 0, 0]
        assert coming_and_going.turns
        assert house.metrics.registry.get_sample_value(
            "dwctl_gateway_retries_total", {"model": "m", "reason": "status"}
        )
        states = Counter(record.state for record, _ in house.ledger.finished if record.status_code != 499)
        assert states[State.COMPLETED] >= 0.9 * sum(states.values())
        assert told[200] >= 0.9 * sum(told.values())
