"""Features that meet in one call: pools with forms, efforts and protocols; rules with pools; realtime with limits."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from wsproto.events import AcceptConnection, CloseConnection

from dwctl.gateway.settings import GatewaySettings, HealthSettings, PoolSettings
from dwctl.routing.limits import Limits
from dwctl.routing.rules import Rule
from dwctl.routing.snapshot import Model, Target
from dwctl.wire.reasoning import reasoning_of
from tests.fakes.answers import RESET, json_reply, server_error
from tests.fakes.model import ModelServer
from tests.fakes.realtime import RealtimeServer
from tests.fakes.shapes import error
from tests.fakes.upstream import FakeUpstream
from tests.gateway.form import TRANSCRIPTIONS, Part, form, headers, received
from tests.gateway.house import SECRET, House, chat, key, model, pool, target
from tests.gateway.test_realtime import client, refusal
from tests.gateway.test_reasoning import SAID, SWITCH
from tests.gateway.test_uploads import files
from tests.gateway.two import Two, metric, said

MESSAGES = "/ai/v1/messages"
MESSAGE = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
AWAY = "http://127.0.0.1:9/v1"
SWITCHED = {
    "chat_completions": {"writes": [{"target": "/chat_template_kwargs/enable_thinking", "values": SWITCH}]}
}
EJECTING = GatewaySettings(pools=PoolSettings(health=HealthSettings(failures=1)))


def wise(at: Target, words: dict[str, Any]) -> Target:
    """A target with its own words for efforts."""
    return msgspec.structs.replace(at, reasoning=reasoning_of(words))


def leading(alias: str, to: str) -> Model:
    """A model that leads every call elsewhere."""
    rules = {"realtime": Rule(redirect=True, target=to)}
    return msgspec.structs.replace(model(alias, target(AWAY)), rules=rules)


async def test_each_target_of_a_pool_is_told_the_effort_in_its_own_words(two: Two) -> None:
    two.first.push(server_error())
    m = pool("m", wise(two.one, SAID), wise(two.two, SWITCHED))
    async with House(m) as house:
        answer = await house.call(chat(reasoning_effort="high"))

    assert (answer.status, said(answer)) == (200, "two")
    assert two.first.posts[0].json()["reasoning_effort"] == "HIGH"
    second = two.second.posts[0].json()
    assert second["chat_template_kwargs"]["enable_thinking"] is True
    assert "reasoning_effort" not in second


async def test_an_effort_that_one_target_of_a_pool_does_not_know_is_refused_before_any_is_asked(
    two: Two,
) -> None:
    async with House(pool("m", two.one, wise(two.two, SAID))) as house:
        answer = await house.call(chat(reasoning_effort="max"))

        assert (answer.status, answer.json()["error"]["code"]) == (400, "unsupported_value")
        assert house.ledger.started == []
    assert two.seen() == (0, 0)


async def test_a_form_goes_whole_to_the_next_target_under_its_own_name(two: Two, tmp_path: Path) -> None:
    two.first.push(server_error())
    two.second.push(json_reply({"text": "hello"}))
    large = Part("file", b"\0\r\n--x" * 100_000, "a.wav")
    body = form(Part("model", b"m"), large)
    async with House(pool("m", two.one, two.two), uploads_folder=tmp_path) as house, house.wire() as wire:
        wire.send(TRANSCRIPTIONS, body, headers())
        answer = await wire.answer()
        record = await house.recorded()

    assert answer.status == 200
    assert (two.seen(), record.target_model) == ((1, 1), "name-two")
    for server, name in ((two.first, b"name-one"), (two.second, b"name-two")):
        assert received(server.posts[0]) == [("model", name), ("file", large.value)]
    assert files(tmp_path) == []


@pytest.mark.parametrize("stream", [False, True])
async def test_another_protocol_goes_to_the_next_target_too(two: Two, stream: bool) -> None:
    two.first.push(RESET)
    async with House(pool("m", two.one, two.two)) as house:
        answer = await house.call({**MESSAGE, "stream": stream}, MESSAGES)

    assert answer.status == 200
    assert two.seen() == (1, 1)
    if stream:
        assert answer.body.startswith(b"event: message_start\n")
        assert answer.body.endswith(b'data: {"type":"message_stop"}\n\n')
    else:
        assert answer.json()["content"] == [{"type": "text", "text": "two"}]


async def test_a_rule_leads_to_a_pool_with_all_its_targets(two: Two) -> None:
    two.first.push(server_error())
    async with House(leading("m", "p"), pool("p", two.one, two.two)) as house:
        answer = await house.call(chat())
        record = await house.recorded()

    assert (answer.status, said(answer), two.seen()) == (200, "two", (1, 1))
    assert (record.model, record.target_model) == ("m", "name-two")


async def test_a_rule_leads_into_the_limits_of_the_model_that_answers(upstream: FakeUpstream) -> None:
    limited = msgspec.structs.replace(
        model("p", target(upstream.url)),
        limits=Limits(id="model:p", requests_per_minute=1),
    )
    async with House(leading("m", "p"), limited) as house:
        statuses = [(await house.call(chat())).status for _ in range(2)]

    assert statuses == [200, 429]


async def test_errors_of_a_sanitised_model_are_masked_in_every_protocol(upstream: FakeUpstream) -> None:
    upstream.push(json_reply(error("the secret of the server", kind="server_error"), status=500))
    known = msgspec.structs.replace(model("m", target(upstream.url)), sanitize=True)
    async with House(known) as house:
        failed = await house.call(MESSAGE, MESSAGES)
        good = await house.call(MESSAGE, MESSAGES)

    assert failed.status >= 500
    assert failed.json()["type"] == "error"
    assert b"secret" not in failed.body
    assert (good.status, good.json()["type"]) == (200, "message")


async def test_strict_mode_has_typed_routes_alone_and_the_protocol_that_is_translated_to_one(
    upstream: FakeUpstream,
) -> None:
    upstream.respond = ModelServer()
    async with House(model("m", target(upstream.url)), strict=True) as house, house.wire() as wire:
        assert (await house.call(MESSAGE, MESSAGES)).status == 200
        assert (await house.call({"model": "m", "input": "x"}, "/ai/v1/moderations")).status == 404
        wire.send(TRANSCRIPTIONS, form(Part("model", b"m")), headers())
        assert (await wire.answer()).status == 404

    assert len(upstream.posts) == 1


async def test_a_realtime_session_holds_the_places_of_its_key_and_model() -> None:
    keys = {SECRET: msgspec.structs.replace(key(), limits=Limits(id="key:a", max_concurrent=1))}
    async with RealtimeServer() as server, House(model("m/1", target(server.url)), keys=keys) as house:
        async with client(house) as (first, answer):
            assert isinstance(answer, AcceptConnection)
            async with client(house) as (second, answer):
                status, body = await refusal(second, answer)
                assert (status, b"concurrency_limit_exceeded" in body) == (429, True)
            first.send(CloseConnection(code=1000))
            await house.recorded()
        async with client(house) as (_, answer):
            assert isinstance(answer, AcceptConnection)
        assert [record.status_code for record, _ in house.ledger.finished] == [101]


async def test_a_realtime_session_goes_to_a_target_of_a_pool_that_is_not_ejected() -> None:
    async with RealtimeServer() as server:
        # Nothing listens at the first one: it is tried once, then the pool leaves it alone.
        known = pool("m/1", target(AWAY), target(server.url))
        async with House(known, settings=EJECTING) as house:
            for _ in range(2):
                async with client(house) as (_, answer):
                    assert isinstance(answer, AcceptConnection)
            ejected = metric(house, "dwctl_gateway_ejections_total", endpoint=known.targets[0].endpoint_name)
            await house.recorded(2)
    assert ejected == 1
