"""A session of a pool: a target that refuses or fails the opening counts against its health, and the next is asked."""

import msgspec
import pytest
from wsproto.events import AcceptConnection, TextMessage

from dwctl.core.settings import Duration
from dwctl.gateway.settings import GatewaySettings, HealthSettings, PoolSettings
from tests.fakes.realtime import RealtimeServer
from tests.gateway.house import House, pool, target
from tests.gateway.test_realtime import PATH, client, refusal
from tests.gateway.two import metric

EJECT_AT_ONCE = GatewaySettings(
    pools=PoolSettings(
        health=HealthSettings(failures=1, eject_initial=Duration(3600), eject_max=Duration(3600))
    )
)


def refuses(status: int) -> bytes:
    """An answer that is no upgrade."""
    return b"HTTP/1.1 %d No\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}" % status


@pytest.mark.parametrize("answer", [refuses(503), refuses(429), b"nonsense\r\n\r\n"])
async def test_a_target_that_fails_the_opening_is_left_alone_and_the_next_is_asked(answer: bytes) -> None:
    async with RealtimeServer(answer) as bad, RealtimeServer() as good:
        made = pool("m", target(bad.url), target(good.url), on_status=[429, 503])
        async with House(made, settings=EJECT_AT_ONCE) as house:
            for _ in range(2):
                async with client(house, f"{PATH}?model=m") as (session, accepted):
                    assert isinstance(accepted, AcceptConnection)
                    session.send(TextMessage("hello"))
                    assert await session.message() == "hello"
            record = await house.recorded(2)
            assert [house.gateway.conditions.of(each).load.active for each in made.targets] == [0, 0]
            assert metric(house, "dwctl_gateway_ejections_total", endpoint="fake") == 1
        assert (len(bad.heads), len(good.heads)) == (1, 2)
    assert (record.status_code, record.endpoint_id) == (101, made.targets[1].endpoint_id)


async def test_the_target_that_answers_gets_what_the_client_says() -> None:
    async with (
        RealtimeServer(refuses(500)) as bad,
        RealtimeServer() as good,
        House(pool("m", target(bad.url), target(good.url))) as house,
        client(house, f"{PATH}?model=m") as (session, accepted),
    ):
        assert isinstance(accepted, AcceptConnection)
        session.send(TextMessage("x" * 100_000))
        assert await session.message() == "x" * 100_000


async def test_with_replacement_the_same_target_may_come_again() -> None:
    async with RealtimeServer(refuses(500)) as bad, RealtimeServer() as good:
        heavy = msgspec.structs.replace(target(bad.url), weight=10**12)
        made = pool(
            "m", heavy, target(good.url), strategy="weighted_random", with_replacement=True, max_attempts=4,
        )  # fmt: skip
        async with House(made) as house, client(house, f"{PATH}?model=m") as (session, answer):
            assert (await refusal(session, answer))[0] == 500
        assert (len(bad.heads), len(good.heads)) == (4, 0)


async def test_a_refusal_that_is_no_failure_ends_the_session() -> None:
    async with RealtimeServer(refuses(403)) as strict, RealtimeServer() as good:
        async with House(pool("m", target(strict.url), target(good.url)), settings=EJECT_AT_ONCE) as house:
            async with client(house, f"{PATH}?model=m") as (session, answer):
                assert (await refusal(session, answer))[0] == 403
            await house.recorded()
            assert not metric(house, "dwctl_gateway_ejections_total", endpoint="fake")
        assert good.heads == []


async def test_the_last_target_s_refusal_is_the_client_s() -> None:
    async with (
        RealtimeServer(refuses(500)) as one,
        RealtimeServer(refuses(503)) as two,
        House(pool("m", target(one.url), target(two.url))) as house,
    ):
        async with client(house, f"{PATH}?model=m") as (session, answer):
            assert (await refusal(session, answer))[0] == 503
        record = await house.recorded()
    assert (record.status_code, record.upstream_status) == (503, 503)
