"""Limits as callers meet them: what is refused, what it says, and when what was taken is given back."""

import re
from typing import Any

import msgspec
import pytest

from dwctl.core.samples import page
from dwctl.gateway.limit_lines import duration
from dwctl.routing.limits import Limits
from dwctl.routing.snapshot import Key, Model
from tests.fakes import shapes
from tests.fakes.answers import HANG, Answer, Hang, frames, json_reply, reply, stream_reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway import wire
from tests.gateway.house import CHAT, SECRET, House, bearer, chat, encoded, key, model, snapshot, target

OTHER = "sk-test-another-0123456789"
THIRD = "sk-test-a-third-one-0123456789"
FIRST = frames(shapes.chat_chunks("fake-model", ["a"]))[0]
ENDLESS = Answer((*stream_reply([FIRST]).steps[:-1], Hang()))


def limited(ident: str, **values: float) -> Limits:
    """Limits of one thing."""
    return msgspec.convert({"id": ident, **values}, Limits)


def keyed(**values: float) -> dict[str, Key]:
    """A key with limits, and one without."""
    return {
        SECRET: msgspec.structs.replace(key(), limits=limited("key:a", **values)),
        OTHER: key(),
    }


def with_limits(known: Model, **values: float) -> Model:
    """A model with limits of its own."""
    return msgspec.structs.replace(known, limits=limited(f"model:{known.alias}", **values))


def at_provider(known: Model, **values: float) -> Model:
    """A model on an endpoint with limits."""
    limits = limited("provider:p", **values)
    targets = tuple(msgspec.structs.replace(one, provider_limits=limits) for one in known.targets)
    return msgspec.structs.replace(known, targets=targets)


def code(answer: wire.Answer) -> tuple[int, Any, Any]:
    """Status, type and code of a refusal."""
    error = answer.json()["error"]
    return answer.status, error["type"], error["code"]


def refused(house: House) -> dict[str, str]:
    """What has been counted, by the labels."""
    text = page([house.metrics.part()]).decode()
    return dict(re.findall(r"dwctl_limits_refused_total\{(.+)\} (\S+)", text))


RATE = (429, "rate_limit_error", "rate_limit")
CONCURRENCY = (429, "rate_limit_error", "concurrency_limit_exceeded")


async def test_a_burst_passes_and_what_follows_is_told_when_to_come_again(upstream: FakeUpstream) -> None:
    keys = keyed(requests_per_second=0.01, burst_size=3)
    async with House(model("m", target(upstream.url)), keys=keys) as house:
        passed = [await house.call(chat()) for _ in range(3)]
        answer = await house.call(chat())
        free = await house.call(chat(), headers=bearer(OTHER))

    assert [each.status for each in passed] == [200, 200, 200]
    assert [each.header("x-ratelimit-remaining-requests") for each in passed] == ["2", "1", "0"]
    assert passed[0].header("x-ratelimit-limit-requests") == "3"
    assert passed[0].header("x-ratelimit-reset-requests") == "1m40s"
    assert passed[0].header("ratelimit-policy") == '"key-second";q=3;w=300'
    assert passed[0].header("ratelimit") == '"key-second";r=2;t=100'
    assert passed[0].header("x-ratelimit-limit-tokens") is None
    assert code(answer) == RATE
    assert answer.json()["error"]["message"] == (
        "Rate limit reached: this API key takes 0.01 requests per second, 3 at once. "
        "Please try again in 100 seconds."
    )
    assert answer.header("retry-after") == "100"
    assert answer.header("ratelimit") == '"key-second";r=0;t=100'
    assert answer.header("x-ratelimit-remaining-requests") == "0"
    assert answer.header("x-ratelimit-reset-requests") == "5m0s"
    assert answer.header("x-request-id") is not None
    assert free.status == 200
    assert not [name for name, _ in free.headers if "ratelimit" in name]
    assert refused(house) == {'kind="requests_per_second",scope="key"': "1.0"}
    assert len(upstream.posts) == 4


async def test_a_model_takes_so_many_from_all_keys_together(upstream: FakeUpstream) -> None:
    one = with_limits(model("one", target(upstream.url)), requests_per_minute=2)
    keys = {SECRET: key(), OTHER: key()}
    async with House(one, model("two", target(upstream.url)), keys=keys) as house:
        first = await house.call(chat("one"))
        second = await house.call(chat("one"), headers=bearer(OTHER))
        third = await house.call(chat("one"))
        other = await house.call(chat("two"))
    assert (first.status, second.status, other.status) == (200, 200, 200)
    assert second.header("ratelimit-policy") == '"model-minute";q=2;w=60'
    assert code(third) == RATE
    assert third.header("retry-after") == "30"
    assert third.json()["error"]["message"].startswith(
        "Rate limit reached: this model takes 2 requests per minute."
    )
    assert refused(house) == {'kind="requests_per_minute",scope="model"': "1.0"}


async def test_tokens_are_charged_from_the_usage_of_the_answer(upstream: FakeUpstream) -> None:
    """The fake model server reports seven tokens for each call, streamed or not."""
    async with House(model("m", target(upstream.url)), keys=keyed(tokens_per_minute=10)) as house:
        first = await house.call(chat())
        second = await house.call(chat(stream=True))
        third = await house.call(chat())
    assert (first.status, second.status) == (200, 200)
    assert first.header("x-ratelimit-limit-tokens") == "10"
    assert first.header("x-ratelimit-remaining-tokens") == "10"
    assert second.header("x-ratelimit-remaining-tokens") == "3"
    assert first.header("x-ratelimit-limit-requests") is None
    assert code(third) == RATE
    assert third.header("ratelimit-policy") == '"key-tokens";q=10;w=60'
    # Four are owed, and one has to be there: five at ten a minute.
    assert third.header("retry-after") == "30"
    assert third.header("x-ratelimit-remaining-tokens") == "0"
    assert refused(house) == {'kind="tokens_per_minute",scope="key"': "1.0"}


async def test_of_several_limits_the_one_with_the_least_left_is_told(upstream: FakeUpstream) -> None:
    one = with_limits(model("m", target(upstream.url)), requests_per_minute=5, tokens_per_minute=1000)
    keys = keyed(requests_per_second=50, requests_per_minute=100, tokens_per_minute=600, max_concurrent=3)
    async with House(one, keys=keys) as house:
        answer = await house.call(chat())
    assert answer.header("ratelimit-policy") == '"model-minute";q=5;w=60, "key-tokens";q=600;w=60'
    assert answer.header("ratelimit") == '"model-minute";r=4;t=12, "key-tokens";r=600;t=0'
    assert answer.header("x-ratelimit-limit-requests") == "5"
    assert answer.header("x-ratelimit-remaining-requests") == "4"
    assert answer.header("x-ratelimit-reset-requests") == "12s"
    assert answer.header("x-ratelimit-limit-tokens") == "600"
    assert answer.header("x-ratelimit-reset-tokens") == "0ms"


@pytest.mark.parametrize("place", ["key", "model", "provider"])
async def test_a_slot_is_held_until_the_stream_ends(upstream: FakeUpstream, place: str) -> None:
    known = model("m", target(upstream.url))
    keys = {SECRET: key()}
    if place == "key":
        keys = keyed(max_concurrent=1)
    else:
        known = (with_limits if place == "model" else at_provider)(known, max_concurrent=1)
    upstream.push(stream_reply(frames(shapes.chat_chunks("fake-model", ["a", "b"])), gap=0.2))
    async with House(known, keys=keys) as house, house.wire() as streaming:
        streaming.send(CHAT, encoded(chat(stream=True)), bearer())
        head = await streaming.answer(head_only=True)
        during = await house.call(chat())
        while await streaming.chunk():
            pass
        after = await house.call(chat())

    assert head.status == after.status == 200
    assert code(during) == CONCURRENCY
    assert during.header("retry-after") == "1"
    assert during.header("ratelimit-policy") == f'"{place}-concurrency";q=1;qu="concurrent-requests"'
    assert during.header("ratelimit") == f'"{place}-concurrency";r=0'
    assert during.header("x-ratelimit-limit-requests") is None
    if place != "provider":
        assert head.header("ratelimit") == f'"{place}-concurrency";r=0'
    assert refused(house) == {f'kind="concurrency",scope="{place}"': "1.0"}


async def test_a_key_with_all_its_calls_under_way_stops_no_other_key(upstream: FakeUpstream) -> None:
    upstream.push(ENDLESS)
    own = msgspec.structs.replace(key(), limits=limited("key:b", max_concurrent=1))
    keys = {**keyed(max_concurrent=1), THIRD: own}
    async with House(model("m", target(upstream.url)), keys=keys) as house, house.wire() as streaming:
        streaming.send(CHAT, encoded(chat(stream=True)), bearer())
        await upstream.wait_for(1)
        assert code(await house.call(chat())) == CONCURRENCY
        for secret in (OTHER, THIRD):
            assert (await house.call(chat(), headers=bearer(secret))).status == 200


@pytest.mark.parametrize("answer", [ENDLESS, HANG])
async def test_a_client_that_leaves_gives_its_slot_back(upstream: FakeUpstream, answer: Answer) -> None:
    upstream.push(answer)
    async with House(model("m", target(upstream.url)), keys=keyed(max_concurrent=1)) as house:
        async with house.wire() as streaming:
            streaming.send(CHAT, encoded(chat(stream=True)), bearer())
            await upstream.wait_for(1)
            assert code(await house.call(chat())) == CONCURRENCY
        await house.recorded()
        assert (await house.call(chat())).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        json_reply(shapes.error("no", kind="server_error"), status=500),
        reply(b"x" * 100, content_length=200).cut(-50),
        ENDLESS.cut(300),
    ],
)
async def test_an_upstream_that_fails_gives_the_slot_back(upstream: FakeUpstream, answer: Answer) -> None:
    upstream.push(answer)
    known = at_provider(model("m", target(upstream.url)), max_concurrent=1)
    async with House(known, keys=keyed(max_concurrent=1)) as house:
        await house.call(chat(stream=True))
        await house.recorded()
        assert (await house.call(chat())).status == 200
        assert (await house.call(chat())).status == 200


async def test_a_call_that_a_later_check_refuses_has_taken_nothing(upstream: FakeUpstream) -> None:
    known = with_limits(model("m", target(upstream.url)), requests_per_minute=3, max_concurrent=2)
    full = at_provider(
        with_limits(model("full", target(upstream.url)), requests_per_minute=3), max_concurrent=1
    )
    nowhere = with_limits(model("nowhere", target(upstream.url, auth=("x", "a\nb"))), requests_per_minute=1)
    upstream.push(ENDLESS)
    async with House(known, full, nowhere, keys=keyed(max_concurrent=2)) as house:
        async with house.wire() as streaming:
            streaming.send(CHAT, encoded(chat("full", stream=True)), bearer())
            await upstream.wait_for(1)
            # Three calls refused by the provider cost the model none of the two it has left.
            for _ in range(3):
                assert code(await house.call(chat("full"))) == CONCURRENCY
            house.ledger.refusal = "the disk is full"
            assert (await house.call(chat())).status == 503
            house.ledger.refusal = None
            for _ in range(2):
                assert (await house.call(chat("nowhere"))).status == 502
            assert (await house.call(chat())).header("x-ratelimit-remaining-requests") == "2"
        await house.recorded(2)
        answers = [await house.call(chat("full")) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert code(answers[2]) == RATE


async def test_a_reload_refills_nothing_and_frees_no_slot(upstream: FakeUpstream) -> None:
    def state(alias: str, **values: float) -> Any:
        """As the sync makes it: new objects for everything, whatever changed."""
        known = with_limits(model("m", target(upstream.url)), requests_per_minute=2, max_concurrent=1)
        return snapshot(keyed(requests_per_minute=3, **values), known, model(alias, target(upstream.url)))

    async with House() as house:
        house.routing.snapshot = state("other")
        assert (await house.call(chat())).status == 200
        upstream.push(ENDLESS)
        async with house.wire() as streaming:
            streaming.send(CHAT, encoded(chat(stream=True)), bearer())
            await upstream.wait_for(2)
            house.routing.snapshot = state("another")
            assert code(await house.call(chat())) == RATE
            assert (await house.call(chat("another"))).status == 200
            house.routing.snapshot = state("yet another")
            assert code(await house.call(chat("yet another"))) == RATE
            # The change of a limit is another matter: it counts from the next call on.
            house.routing.snapshot = state("other", requests_per_second=0.5)
            assert code(await house.call(chat("other"))) == RATE
    assert refused(house) == {
        'kind="requests_per_minute",scope="model"': "1.0",
        'kind="requests_per_minute",scope="key"': "2.0",
    }


async def test_a_limit_changed_while_running_counts_from_the_next_call_on(upstream: FakeUpstream) -> None:
    known = model("m", target(upstream.url))
    async with House(known) as house:
        for limits, statuses in (
            ({"requests_per_minute": 2}, [200, 200, 429]),
            ({"requests_per_minute": 4}, [200, 200, 429]),
            ({"requests_per_minute": 1}, [429]),
            ({"max_concurrent": 5}, [200, 200, 200]),
            ({"requests_per_minute": 2}, [200, 200, 429]),
        ):
            house.routing.snapshot = snapshot(keyed(**limits), known)
            assert [(await house.call(chat())).status for _ in statuses] == statuses


async def test_limits_of_the_upstream_are_not_told_as_ours(upstream: FakeUpstream) -> None:
    theirs = [("ratelimit", '"u";r=1'), ("ratelimit-policy", '"u";q=1'), ("x-ratelimit-limit-requests", "1")]
    body = shapes.chat_completion("fake-model", "Hello.")
    upstream.push(json_reply(body, headers=theirs), json_reply(body, headers=theirs))
    async with House(model("m", target(upstream.url)), keys=keyed(requests_per_minute=9)) as house:
        limited = await house.call(chat())
        free = await house.call(chat(), headers=bearer(OTHER))
    assert limited.header("ratelimit") == '"key-minute";r=8;t=7'
    assert not [name for name, _ in free.headers if "ratelimit" in name]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, b"0ms"),
        (0.0201, b"21ms"),
        (0.9991, b"1s"),
        (1, b"1s"),
        (59.2, b"1m0s"),
        (360, b"6m0s"),
        (3661, b"1h1m1s"),
    ],
)
def test_durations_are_written_as_openai_does(seconds: float, text: bytes) -> None:
    assert duration(seconds) == text
