"""When retries wait, end and are withheld; which targets are left alone; what is kept when the client leaves."""

import asyncio
import itertools
from contextlib import AsyncExitStack

import pytest

from dwctl.core.settings import Duration
from dwctl.gateway.settings import GatewaySettings, HealthSettings, PoolSettings
from dwctl.requests.record import State
from tests.fakes.answers import HANG, json_reply, server_error, too_many_requests
from tests.fakes.model import ModelServer
from tests.gateway.house import CHAT, House, bearer, chat, encoded, pool, upstream_settings
from tests.gateway.two import Two, metric, said

EJECTIONS = "dwctl_gateway_ejections_total"


def health(failures: int = 2, initial: float = 3600.0, most: float = 3600.0) -> GatewaySettings:
    """Settings under which targets are left alone sooner."""
    wanted = HealthSettings(failures=failures, eject_initial=Duration(initial), eject_max=Duration(most))
    return GatewaySettings(pools=PoolSettings(health=wanted))


async def test_a_retry_waits_and_each_one_longer(two: Two) -> None:
    two.first.respond = two.second.respond = lambda _: server_error()
    backoff = {"initial_ms": 60, "factor": 2, "jitter": "none"}
    async with House(pool("m", two.one, two.two, max_attempts=3, backoff=backoff)) as house:
        began = asyncio.get_running_loop().time()
        assert (await house.call(chat())).status == 500
        assert asyncio.get_running_loop().time() - began >= 0.18
    assert two.seen() == (2, 1)


async def test_a_client_that_leaves_while_a_retry_waits_ends_the_call(two: Two) -> None:
    two.first.push(server_error())
    backoff = {"initial_ms": 3_600_000, "max_ms": 3_600_000, "jitter": "none"}
    settings = upstream_settings(total_timeout=7200)
    async with House(pool("m", two.one, two.two, backoff=backoff), settings=settings) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat()), bearer())
            await house.until(
                lambda: bool(metric(house, "dwctl_gateway_retries_total", model="m", reason="status")),
                "the retry waits",
            )
        record = await house.recorded()
        assert house.gateway.in_flight == 0
    assert (record.status_code, record.state, two.seen()) == (499, State.FAILED, (1, 0))
    assert record.endpoint_id == two.one.endpoint_id


async def test_a_client_that_leaves_during_the_second_attempt_ends_it(two: Two) -> None:
    two.first.push(server_error())
    two.second.push(HANG)
    async with House(pool("m", two.one, two.two)) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat()), bearer())
            await two.second.wait_for(1)
        record = await house.recorded()
        await two.second.wait_until(lambda: two.second.posts[0].left_early, "the upstream is left")
    assert (record.status_code, record.endpoint_id) == (499, two.two.endpoint_id)


async def test_nobody_waits_beyond_the_limit_of_the_whole_call(two: Two) -> None:
    two.first.push(server_error(503))
    backoff = {"initial_ms": 60_000, "max_ms": 60_000, "jitter": "none"}
    settings = upstream_settings(total_timeout=30)
    async with House(pool("m", two.one, two.two, backoff=backoff), settings=settings) as house:
        assert (await house.call(chat())).status == 503
    assert two.seen() == (1, 0)


async def test_the_limit_of_the_whole_call_ends_it_whatever_attempt_it_is_at(two: Two) -> None:
    two.first.push(HANG)
    settings = upstream_settings(total_timeout=0.2)
    async with House(pool("m", two.one, two.two), settings=settings) as house:
        assert (await house.call(chat())).status == 504
    assert two.seen() == (1, 0)


async def test_a_pool_sends_no_more_retries_than_it_has_earned(two: Two) -> None:
    two.first.respond = two.second.respond = lambda _: server_error()
    budget = {"ratio": 0.0, "min_per_second": 0.0, "burst": 2}
    async with House(pool("m", two.one, two.two, retry_budget=budget)) as house:
        for _ in range(5):
            assert (await house.call(chat())).status == 500
        assert two.seen() == (5, 2)
        assert metric(house, "dwctl_gateway_retry_budget_exhausted_total", model="m") == 3


async def test_calls_earn_retries(two: Two) -> None:
    two.first.respond = two.second.respond = lambda _: server_error()
    budget = {"ratio": 0.5, "min_per_second": 0.0, "burst": 1}
    wanted = pool("m", two.one, two.two, retry_budget=budget)
    async with House(wanted, settings=health(failures=0)) as house:
        for _ in range(9):
            await house.call(chat())
    assert two.seen() == (9, 5)


async def test_a_target_that_fails_again_and_again_is_left_alone(two: Two) -> None:
    two.first.respond = lambda _: server_error()
    async with House(pool("m", two.one, two.two), settings=health()) as house:
        for _ in range(5):
            assert said(await house.call(chat())) == "two"
        assert two.seen() == (2, 5)
        assert metric(house, EJECTIONS, endpoint="fake") == 1


async def test_a_success_in_between_is_forgiven(two: Two) -> None:
    for _ in range(4):
        two.first.push(server_error(), ModelServer(models=("name-one",)))
    async with House(pool("m", two.one, two.two), settings=health()) as house:
        for _ in range(8):
            assert (await house.call(chat())).status == 200
        assert metric(house, EJECTIONS, endpoint="fake") == 0
    assert len(two.first.posts) == 8


async def test_an_error_of_the_client_is_no_failure_of_the_target(two: Two) -> None:
    async with House(pool("m", two.one, two.two), settings=health()) as house:
        for _ in range(4):
            assert (await house.call({"model": "m", "messages": []})).status == 400
    assert two.seen() == (4, 0)


async def test_the_health_of_targets_can_be_left_out_of_it(two: Two) -> None:
    two.first.respond = lambda _: too_many_requests()
    async with House(pool("m", two.one, two.two, on_status=[429]), settings=health(failures=0)) as house:
        for _ in range(4):
            await house.call(chat())
    assert two.seen() == (4, 4)


async def test_one_trial_brings_a_target_back(two: Two) -> None:
    two.first.push(server_error(), server_error(), server_error())
    async with House(pool("m", two.one, two.two), settings=health(initial=0.1, most=0.2)) as house:
        async with asyncio.timeout(10):
            for _ in itertools.count():
                if said(await house.call(chat())) == "one":
                    break
        assert metric(house, EJECTIONS, endpoint="fake") == 2
        assert said(await house.call(chat())) == "one"
    assert len(two.first.posts) == 5


@pytest.mark.parametrize("hint", ["60", "Wed, 25 Nov 2099 07:00:00 GMT"])
async def test_a_target_that_asks_for_a_pause_gets_it_at_once(two: Two, hint: str) -> None:
    two.first.push(too_many_requests(hint))
    async with House(pool("m", two.one, two.two, on_status=[429]), settings=health(failures=100)) as house:
        for _ in range(3):
            assert said(await house.call(chat())) == "two"
        assert metric(house, EJECTIONS, endpoint="fake") == 1
    assert two.seen() == (1, 3)


async def test_when_all_are_ejected_the_one_that_comes_back_first_is_tried(two: Two) -> None:
    two.first.push(too_many_requests("600"))
    two.second.push(too_many_requests("60"))
    async with House(pool("m", two.one, two.two, on_status=[429]), settings=health()) as house:
        assert (await house.call(chat())).status == 429
        assert said(await house.call(chat())) == "two"
        # It has answered, so it is back; the first one still waits.
        assert said(await house.call(chat())) == "two"
    assert two.seen() == (1, 3)


async def test_streams_that_break_off_count_as_failures(two: Two) -> None:
    broken = json_reply({"object": "chat.completion.chunk", "x": "y" * 300_000}).cut(-10)
    two.first.respond = lambda _: broken
    settings = GatewaySettings(
        upstream=upstream_settings(max_reply_bytes=100_000).upstream, pools=health().pools
    )
    async with House(pool("m", two.one, two.two), settings=settings) as house:
        for _ in range(2):
            async with house.wire() as wire:
                wire.send(CHAT, encoded(chat()), bearer())
                await wire.reader.read()
        await house.until(lambda: metric(house, EJECTIONS, endpoint="fake") == 1, "it is ejected")
        assert said(await house.call(chat())) == "two"


async def test_a_stop_of_this_process_is_no_reason_to_try_elsewhere(two: Two) -> None:
    two.first.respond = two.second.respond = lambda _: HANG
    async with House(pool("m", two.one, two.two)) as house, AsyncExitStack() as stack:
        for _ in range(3):
            wire = await stack.enter_async_context(house.wire())
            wire.send(CHAT, encoded(chat()), bearer())
        await two.first.wait_for(3)
        await house.client.stop()
        await house.until(lambda: house.gateway.in_flight == 0, "all calls are told")
    assert {record.status_code for record, _ in house.ledger.finished} == {503}
    assert two.seen() == (3, 0)


@pytest.mark.parametrize(("most", "seen"), [(100, (2, 1)), (99, (1, 1)), (0, (1, 0)), (None, (2, 1))])
async def test_all_waits_of_a_call_together_have_a_limit(
    two: Two, most: float | None, seen: tuple[int, int]
) -> None:
    two.first.respond = two.second.respond = lambda _: server_error()
    backoff = {"initial_ms": 40, "factor": 1.5, "jitter": "none"}
    made = pool("m", two.one, two.two, max_attempts=3, backoff=backoff, max_total_backoff_ms=most)
    async with House(made) as house:
        assert (await house.call(chat())).status == 500
    assert two.seen() == seen
