"""Calls to a model with several targets: which one gets them, when another is tried, and what the client sees."""

import socket
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import msgspec
import pytest

from dwctl.requests.record import State
from dwctl.routing.limit_book import LimitBook, Slot
from dwctl.routing.limits import Limits
from dwctl.routing.snapshot import Target
from tests.fakes.answers import (
    CLOSED,
    GARBAGE,
    HANG,
    RESET,
    Answer,
    Framing,
    json_reply,
    reply,
    server_error,
    too_many_requests,
)
from tests.fakes.model import ModelServer
from tests.fakes.shapes import chat_completion
from tests.gateway.house import (
    CHAT,
    House,
    bearer,
    chat,
    encoded,
    model,
    pool,
    snapshot,
    target,
    upstream_settings,
)
from tests.gateway.two import Two, metric, said

LENGTHY = json_reply(chat_completion("fake-model", "x" * 1000))
PRICE = "x-price-per-token"


async def test_the_first_target_in_order_serves_while_it_can(two: Two) -> None:
    async with House(pool("m", two.one, two.two)) as house:
        answer = await house.call(chat())
        record = await house.recorded()

    assert (answer.status, said(answer), two.seen()) == (200, "one", (1, 0))
    assert answer.header("x-dwctl-attempts") is None
    assert two.first.posts[0].json()["model"] == "name-one"
    assert (record.endpoint_id, record.target_model) == (two.one.endpoint_id, "name-one")


async def test_calls_are_shared_by_weight(two: Two) -> None:
    heavy = msgspec.structs.replace(two.one, weight=90)
    light = msgspec.structs.replace(two.two, weight=10)
    async with House(pool("m", heavy, light, strategy="weighted_random")) as house, house.wire() as wire:
        for _ in range(200):
            wire.send(CHAT, encoded(chat()), bearer())
            assert (await wire.answer()).status == 200
    shares = Counter(one=len(two.first.posts), two=len(two.second.posts))
    assert sum(shares.values()) == 200
    assert 0 < shares["two"] < 60


async def test_the_least_loaded_target_for_its_weight_gets_the_next_call(two: Two) -> None:
    two.first.respond = two.second.respond = lambda _: HANG
    heavy = msgspec.structs.replace(two.one, weight=3)
    async with (
        House(pool("m", heavy, two.two, strategy="weighted_random")) as house,
        AsyncExitStack() as stack,
    ):
        for count in range(1, 9):
            wire = await stack.enter_async_context(house.wire())
            wire.send(CHAT, encoded(chat()), bearer())
            await house.until(partial(two.sent, count), "the call is sent")
        assert two.seen() == (6, 2)


async def test_calls_under_an_alias_of_its_own_count_as_load_of_the_target(two: Two) -> None:
    two.first.respond = lambda _: HANG
    together = pool("m", two.one, two.two, strategy="weighted_random")
    async with House(together, model("own", two.one)) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat("own")), bearer())
        await two.first.wait_for(1)
        for _ in range(5):
            assert said(await house.call(chat())) == "two"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (CLOSED, "network"),
        (RESET, "network"),
        (GARBAGE, "network"),
        (LENGTHY.cut(-10), "network"),
        (json_reply({}, framing=Framing.CHUNKED).cut(-3), "network"),
        (HANG, "timeout"),
        (server_error(), "status"),
        (server_error(503), "status"),
        (json_reply({"error": {"message": "x"}}, status=502, framing=Framing.CHUNKED), "status"),
        (json_reply({"error": {"message": "no capacity", "code": 503}}), "embedded"),
        (
            json_reply({"error": {"message": "no capacity", "code": "500"}}, framing=Framing.CHUNKED),
            "embedded",
        ),
        (reply(b"", headers=[("content-type", "application/json")]), "embedded"),
        (reply(b"\n", headers=[("content-type", "application/json")]), "embedded"),
    ],
)
async def test_another_target_answers_when_one_fails(two: Two, bad: Answer, reason: str) -> None:
    two.first.push(bad)
    settings = upstream_settings(first_byte_timeout=0.2, idle_timeout=0.2)
    async with House(pool("m", two.one, two.two), settings=settings) as house:
        answer = await house.call(chat())
        record = await house.recorded()
        assert metric(house, "dwctl_gateway_retries_total", model="m", reason=reason) == 1
        assert house.gateway.in_flight == 0

    assert (answer.status, said(answer), two.seen()) == (200, "two", (1, 1))
    assert answer.header("x-dwctl-attempts") == "2"
    request = two.second.posts[0]
    assert (request.json()["model"], request.header("x-api-key")) == ("name-two", "two")
    assert request.header("authorization") is None
    assert (record.state, record.status_code, record.upstream_status) == (State.COMPLETED, 200, 200)
    assert (record.endpoint_id, record.target_model) == (two.two.endpoint_id, "name-two")
    assert answer.json()["id"] == f"resp_{record.id}"


async def test_another_target_answers_when_one_cannot_be_reached_or_rendered(two: Two) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = target(f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
        odd = target(two.first.url, auth=("x", "line\nbreak"))
        async with House(pool("m", odd, away, two.two)) as house:
            answer = await house.call(chat())
    assert (answer.status, said(answer)) == (200, "two")


async def test_another_target_answers_when_one_has_no_free_connection(two: Two) -> None:
    two.first.respond = lambda _: HANG
    settings = upstream_settings(max_connections=1, max_waiting=0)
    async with House(pool("m", two.one, two.two), settings=settings) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat()), bearer())
        await two.first.wait_for(1)
        assert said(await house.call(chat())) == "two"


@pytest.mark.parametrize(
    ("patterns", "status", "again"),
    [
        ([429], 429, True),
        ([429], 500, False),
        ([52], 524, True),
        ([52], 530, False),
        ([4], 404, True),
        ([4], 500, False),
        ([], 503, False),
        ([5], 503, True),
    ],
)
async def test_statuses_are_retried_as_listed(
    two: Two, patterns: list[int], status: int, again: bool
) -> None:
    two.first.push(server_error(status))
    async with House(pool("m", two.one, two.two, on_status=patterns)) as house:
        answer = await house.call(chat())
    assert answer.status == (200 if again else status)
    assert two.seen() == (1, int(again))


async def test_without_fallback_the_first_answer_is_the_answer(two: Two) -> None:
    two.first.push(server_error(503), GARBAGE, json_reply({"error": {"code": 503}}))
    async with House(pool("m", two.one, two.two, enabled=False)) as house:
        statuses = [(await house.call(chat())).status for _ in range(3)]
    assert (statuses, two.seen()) == ([503, 502, 200], (3, 0))


async def test_the_last_answer_survives_when_all_targets_fail(two: Two) -> None:
    two.first.push(server_error(500))
    limited = too_many_requests()
    two.second.push(limited)
    async with House(pool("m", two.one, two.two, on_status=[5, 429])) as house:
        answer = await house.call(chat())
        record = await house.recorded()
        kept = house.ledger.finished[0][1]

    assert (answer.status, answer.header("retry-after")) == (429, "7")
    assert answer.body == kept == limited.steps[1]
    assert answer.header("x-dwctl-attempts") == "2"
    assert (record.status_code, record.upstream_status) == (429, 429)
    assert (record.state, record.error_code) == (State.FAILED, "upstream_error")
    assert record.endpoint_id == two.two.endpoint_id


async def test_a_large_last_error_survives_too(two: Two) -> None:
    two.first.push(server_error(500))
    page = b"<html>" + b"x" * 300_000
    two.second.push(reply(page, status=503, headers=[("content-type", "text/html")]).in_pieces(70_000))
    async with House(pool("m", two.one, two.two)) as house:
        answer = await house.call(chat())
    assert (answer.status, answer.body) == (503, page)


@pytest.mark.parametrize(("last", "status"), [(CLOSED, 502), (HANG, 504)])
async def test_when_the_last_target_gives_no_answer_ours_says_so(two: Two, last: Answer, status: int) -> None:
    two.first.push(server_error(500))
    two.second.push(last)
    settings = upstream_settings(first_byte_timeout=0.2)
    async with House(pool("m", two.one, two.two), settings=settings) as house:
        answer = await house.call(chat())
        record = await house.recorded()
    assert (answer.status, record.status_code, record.upstream_status) == (status, status, None)


async def test_an_error_inside_the_last_answer_gets_its_status(two: Two) -> None:
    body = {"error": {"message": "no capacity", "code": 503}}
    two.first.push(json_reply(body))
    two.second.push(json_reply(body))
    async with House(pool("m", two.one, two.two)) as house:
        answer = await house.call(chat())
        record = await house.recorded()
    assert (answer.status, answer.json()) == (503, body)
    assert (record.state, record.status_code) == (State.FAILED, 503)


async def test_a_last_answer_without_a_body_is_502(two: Two) -> None:
    empty = reply(b"", headers=[("content-type", "application/json")])
    two.first.push(empty)
    two.second.push(empty)
    async with House(pool("m", two.one, two.two)) as house:
        answer = await house.call(chat())
    assert answer.status == 502
    assert answer.json()["error"]["message"] == "The model server of 'm' answered without a body."


async def test_an_error_with_a_code_that_is_not_listed_passes_as_it_came(two: Two) -> None:
    body = {"error": {"message": "too long", "code": 400}}
    two.first.push(json_reply(body))
    async with House(pool("m", two.one, two.two)) as house:
        answer = await house.call(chat())
    assert (answer.status, answer.json()["error"], two.seen()) == (200, body["error"], (1, 0))


async def test_attempts_end_at_their_number(two: Two) -> None:
    two.first.respond = two.second.respond = lambda _: server_error()
    async with House(
        pool("one", two.one, two.two, max_attempts=1), pool("five", two.one, two.two, max_attempts=5)
    ) as house:
        assert (await house.call(chat("one"))).status == 500
        assert two.seen() == (1, 0)
        answer = await house.call(chat("five"))
    assert (answer.status, answer.header("x-dwctl-attempts")) == (500, "5")
    assert two.seen() == (1 + 3, 2)


async def test_a_pool_of_one_can_try_it_again(two: Two) -> None:
    two.first.push(server_error())
    async with House(pool("m", two.one, max_attempts=2)) as house:
        assert said(await house.call(chat())) == "one"


async def test_with_replacement_the_same_target_may_come_again(two: Two) -> None:
    two.first.respond = two.second.respond = lambda _: server_error()
    # So heavy that chance never takes the other one; that its own attempt failed does not make it busy.
    heavy = msgspec.structs.replace(two.one, weight=10**12)
    wanted = pool(
        "m", heavy, two.two, strategy="weighted_random", with_replacement=True, max_attempts=4,
    )  # fmt: skip
    async with House(wanted) as house:
        await house.call(chat())
    assert two.seen() == (4, 0)


async def test_an_empty_pool_is_503(two: Two) -> None:
    async with House(pool("m")) as house:
        answer = await house.call(chat())
        assert not house.ledger.started
        listed = await house.get("/ai/v1/models")
    assert (answer.status, answer.json()["error"]["code"]) == (503, "service_unavailable")
    assert [entry["id"] for entry in listed.json()["data"]] == ["m"]


RATED = {"requests_per_minute": 1}
BUSY = {"max_concurrent": 1}


def used_up(book: LimitBook, one: Target, limit: dict[str, int]) -> Target:
    """A target at its limit."""
    limits = msgspec.convert({"id": f"model:{one.endpoint_id}", **limit}, Limits)
    limited = msgspec.structs.replace(one, limits=limits)
    assert isinstance(book.take(limited), Slot)
    return limited


@pytest.mark.parametrize(
    ("limit", "more", "status", "code"),
    [
        (RATED, {}, 200, None),
        (RATED, {"on_rate_limit": False}, 429, "rate_limit"),
        (BUSY, {}, 200, None),
        (BUSY, {"on_rate_limit": False}, 200, None),
    ],
)
async def test_a_target_at_a_limit_of_ours_gives_way(
    two: Two, limit: dict[str, int], more: dict[str, Any], status: int, code: str | None
) -> None:
    book = LimitBook()
    async with House(pool("m", used_up(book, two.one, limit), two.two, **more), limits=book) as house:
        answer = await house.call(chat())
    assert (answer.status, two.seen()) == (status, (0, int(status == 200)))
    if code:
        assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize(("limit", "code"), [(RATED, "rate_limit"), (BUSY, "concurrency_limit_exceeded")])
async def test_when_limits_leave_no_target_it_is_429(two: Two, limit: dict[str, int], code: str) -> None:
    book = LimitBook()
    targets = [used_up(book, one, limit) for one in (two.one, two.two)]
    async with House(pool("m", *targets), limits=book) as house:
        answer = await house.call(chat())
    assert (answer.status, answer.json()["error"]["code"], two.seen()) == (429, code, (0, 0))
    assert int(answer.header("retry-after") or "0") >= 1


async def test_targets_announce_prices_on_successes_and_on_errors_that_pass(two: Two) -> None:
    priced = msgspec.structs.replace(two.one, response_headers=((PRICE, "0.1"), ("retry-after", "3")))
    other = msgspec.structs.replace(two.two, response_headers=((PRICE, "0.2"),))
    two.first.push(
        json_reply(chat_completion("name-one", "hi"), headers=[(PRICE.title(), "9")]),
        too_many_requests(),
        GARBAGE,
        server_error(),
        ModelServer(models=("name-one",)),
    )
    async with House(pool("m", priced, other), model("own", priced)) as house:
        answer = await house.call(chat())
        assert (answer.header(PRICE), answer.header("retry-after")) == ("0.1", "3")
        answer = await house.call(chat("own"))
        assert (answer.status, answer.header(PRICE), answer.header("retry-after")) == (429, "0.1", "3")
        answer = await house.call(chat("own"))
        assert (answer.status, answer.header(PRICE)) == (502, None)
        answer = await house.call(chat())
        assert (answer.status, answer.header(PRICE)) == (200, "0.2")
        answer = await house.call(chat(stream=True))
        assert (answer.status, answer.header(PRICE)) == (200, "0.1")


async def test_what_is_known_of_a_target_survives_a_new_routing_state(two: Two) -> None:
    two.first.respond = lambda _: HANG
    before = pool("m", two.one, two.two, strategy="weighted_random")
    async with House(before, model("own", two.one)) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat("own")), bearer())
        await two.first.wait_for(1)
        copies = [msgspec.structs.replace(known) for known in (two.one, two.two)]
        after = pool("m", *copies, strategy="weighted_random")
        now = house.routing.snapshot
        house.routing.snapshot = msgspec.structs.replace(
            snapshot({}, msgspec.structs.replace(after, id=before.id), version=2), keys=now.keys
        )
        for _ in range(5):
            assert said(await house.call(chat())) == "two"
