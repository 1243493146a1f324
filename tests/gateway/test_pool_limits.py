"""Limits of components and their endpoints: taken for each attempt, given back exactly once."""

from collections.abc import Callable

import msgspec
import pytest

from dwctl.core.samples import page
from dwctl.routing.limit_book import LimitBook, Slot
from dwctl.routing.limits import Limits
from dwctl.routing.snapshot import Model, Target
from tests.fakes import shapes
from tests.fakes.answers import (
    CLOSED,
    HANG,
    RESET,
    Answer,
    Hang,
    frames,
    json_reply,
    server_error,
    stream_reply,
)
from tests.gateway.house import CHAT, SECRET, House, bearer, chat, encoded, key, model, pool
from tests.gateway.two import Two, said

ENDLESS = Answer((*stream_reply(frames(shapes.chat_chunks("fake-model", ["a"]))[:1]).steps[:-1], Hang()))
EMBEDDED = json_reply({"error": {"message": "no capacity", "code": 503}})


def limited(ident: str, **values: float) -> Limits:
    """Limits of one thing."""
    return msgspec.convert({"id": ident, **values}, Limits)


def component(one: Target, **values: float) -> Target:
    """A target whose model has limits."""
    return msgspec.structs.replace(one, limits=limited(f"model:{one.endpoint_id}", **values))


def hosted(one: Target, **values: float) -> Target:
    """A target whose endpoint has limits."""
    return msgspec.structs.replace(one, provider_limits=limited(f"provider:{one.endpoint_id}", **values))


def own(alias: str, one: Target) -> Model:
    """The component under its own alias: its limits stand at the model only."""
    return msgspec.structs.replace(model(alias, msgspec.structs.replace(one, limits=None)), limits=one.limits)


def under_way(book: LimitBook, *targets: Target) -> list[int]:
    """How many calls the limits of these believe to be under way, seen from outside: one is taken and undone."""
    counts = []
    for one in targets:
        slot = book.take(one)
        assert isinstance(slot, Slot)
        counts.append(max(tally.active for tally in slot.tallies) - 1)
        slot.undo()
    return counts


@pytest.mark.parametrize("wrap", [component, hosted])
@pytest.mark.parametrize("bad", [CLOSED, RESET, server_error(), EMBEDDED])
async def test_a_failed_attempt_gives_back_before_the_next_and_the_last_at_the_end(
    two: Two, wrap: Callable[..., Target], bad: Answer
) -> None:
    one, other = wrap(two.one, max_concurrent=9), wrap(two.two, max_concurrent=9)
    book = LimitBook()
    two.first.push(bad)
    two.second.push(HANG)
    async with House(pool("m", one, other), limits=book) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat()), bearer())
            await two.second.wait_for(1)
            assert under_way(book, one, other) == [0, 1]
        await house.recorded()
        assert under_way(book, one, other) == [0, 0]


@pytest.mark.parametrize("answer", [ENDLESS, HANG])
async def test_a_client_that_leaves_gives_back(two: Two, answer: Answer) -> None:
    one = component(two.one, max_concurrent=1)
    two.first.push(answer)
    async with House(pool("m", one), limits=LimitBook()) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat(stream=True)), bearer())
            await two.first.wait_for(1)
            assert (await house.call(chat())).status == 429
        await house.recorded()
        assert [(await house.call(chat())).status for _ in range(2)] == [200, 200]


async def test_a_retry_of_the_same_target_does_not_stand_in_its_own_way(two: Two) -> None:
    one = component(two.one, max_concurrent=1)
    two.first.push(server_error())
    again = pool("m", one, strategy="weighted_random", with_replacement=True, max_attempts=2)
    async with House(again, limits=LimitBook()) as house:
        assert (await house.call(chat())).status == 200
        assert (await house.call(chat())).status == 200


async def test_when_the_next_target_is_full_the_last_answer_goes_to_the_client(two: Two) -> None:
    one, other = component(two.one, max_concurrent=2), component(two.two, max_concurrent=1)
    book = LimitBook()
    held = book.take(other)
    assert isinstance(held, Slot)
    two.first.push(server_error())
    async with House(pool("m", one, other), limits=book) as house:
        assert (await house.call(chat())).status == 500
        held.release()
        assert under_way(book, one, other) == [0, 0]


async def test_a_component_shares_its_limits_with_its_own_alias(two: Two) -> None:
    one = component(two.one, requests_per_minute=2)
    async with House(pool("m", one, two.two), own("own", one), limits=LimitBook()) as house:
        assert said(await house.call(chat())) == "one"
        assert (await house.call(chat("own"))).status == 200
        assert said(await house.call(chat())) == "two"
        assert (await house.call(chat("own"))).status == 429


async def test_tokens_are_charged_to_who_answered(two: Two) -> None:
    one, other = hosted(two.one, tokens_per_minute=1), component(two.two, tokens_per_minute=1)
    two.first.push(server_error())
    async with House(pool("m", one, other), limits=LimitBook()) as house:
        assert said(await house.call(chat())) == "two"
        assert said(await house.call(chat())) == "one"
        refused = await house.call(chat())
        assert b'kind="tokens_per_minute",scope="' in page([house.metrics.part()])
    assert (refused.status, refused.json()["error"]["code"]) == (429, "rate_limit")


async def test_a_call_that_no_target_takes_has_cost_its_model_and_key_nothing(two: Two) -> None:
    book = LimitBook()
    one = hosted(two.one, max_concurrent=1)
    held = book.take(one)
    assert isinstance(held, Slot)
    known = msgspec.structs.replace(pool("m", one), limits=limited("model:m", requests_per_minute=2))
    keys = {SECRET: msgspec.structs.replace(key(), limits=limited("key:a", max_concurrent=1))}
    async with House(known, keys=keys, limits=book) as house:
        for _ in range(3):
            assert (await house.call(chat())).status == 429
        held.release()
        answers = [await house.call(chat()) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[0].header("x-ratelimit-remaining-requests") == "1"
