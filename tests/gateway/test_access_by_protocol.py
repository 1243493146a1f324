"""Lists of keys, traffic rules and compressed bodies, where the protocol is not plain chat completions."""

import gzip

import msgspec
import pytest
from wsproto.events import AcceptConnection

from dwctl.routing.snapshot import Key, Model
from dwctl.wire.reasoning import Effort, Reasoning
from tests.fakes.realtime import RealtimeServer
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import SECRET, House, bearer, chat, encoded, key, model, target
from tests.gateway.test_key_lists import limited
from tests.gateway.test_messages import KEY, ask, asked
from tests.gateway.test_realtime import client, refusal
from tests.gateway.test_rules import DENY, ruled, to

AWAY = target("http://127.0.0.1:9/v1", "away")
REFUSED = [
    (
        limited(models=("other",)),
        None,
        "This API key may not use 'm'. Its owner has limited it to certain models.",
    ),
    (
        limited(networks=("10.0.0.0/8",)),
        None,
        "This API key may not be used from 127.0.0.1. Its owner has limited it to certain networks.",
    ),
    (key("batch"), {"batch": DENY}, "The model 'm' takes no calls with keys of the purpose 'batch'."),
]


def known(rules: object) -> Model:
    """The model `m`, with rules or without."""
    plain = model("m", AWAY)
    return msgspec.structs.replace(plain, rules=rules)


@pytest.mark.parametrize(("who", "rules", "text"), REFUSED)
async def test_a_message_is_refused_in_its_own_words(who: Key, rules: object, text: str) -> None:
    async with House(known(rules), keys={SECRET: who}) as house:
        answer = await ask(house, asked())
        assert house.ledger.started == []

    assert answer.status == 403
    assert answer.json()["type"] == "error"
    assert answer.json()["error"] == {"type": "permission_error", "message": text}


@pytest.mark.parametrize(("who", "rules", "text"), REFUSED)
async def test_a_websocket_is_refused_like_a_call(who: Key, rules: object, text: str) -> None:
    async with (
        House(known(rules), keys={SECRET: who}) as house,
        client(house, "/ai/v1/realtime?model=m") as (made, answer),
    ):
        status, body = await refusal(made, answer)
        assert house.ledger.started == []

    assert status == 403
    assert msgspec.json.decode(body)["error"]["message"] == text


async def test_a_websocket_is_led_to_the_other_model_and_recorded_as_the_one_asked_for() -> None:
    async with RealtimeServer() as server:
        lead = ruled(model("lead", AWAY), {"realtime": to("m")})
        async with House(lead, model("m", target(server.url, "gpt/rt"))) as house:
            async with client(house, "/ai/v1/realtime?model=lead") as (_, answer):
                assert isinstance(answer, AcceptConnection)
            record = await house.recorded()

    assert record.model == "lead"
    assert server.asked is not None
    assert "gpt%2Frt" in server.asked.target or "gpt/rt" in server.asked.target


async def test_models_in_the_other_shape_are_listed_by_the_keys_own_list(upstream: FakeUpstream) -> None:
    models = [model(alias, target(upstream.url)) for alias in ("a", "b")]
    async with House(*models, keys={SECRET: limited(("a",)), "sk-all": key()}) as house:
        lists = [
            [shown["id"] for shown in (await house.get("/ai/v1/models", headers)).json()["data"]]
            for headers in (KEY, {**KEY, "x-api-key": "sk-all"}, bearer(), bearer("sk-all"))
        ]
        elsewhere = {SECRET: limited(networks=("10.0.0.0/8",))}
        async with House(*models, keys=elsewhere) as other:
            refused = await other.get("/ai/v1/models", KEY)
        coded = await house.get("/ai/v1/models", {**KEY, "content-encoding": "nonsense"})

    assert lists == [["a"], ["a", "b"], ["a"], ["a", "b"]]
    assert (refused.status, refused.json()["error"]["type"]) == (403, "permission_error")
    assert (coded.status, coded.json()["type"]) == (415, "error")


async def test_a_message_may_be_compressed(upstream: FakeUpstream) -> None:
    headers = {**KEY, "content-encoding": "gzip"}
    async with House(model("m", target(upstream.url))) as house:
        answer = await ask(house, gzip.compress(encoded(asked())), headers)
        broken = await ask(house, b"no gzip", headers)

    assert (answer.status, answer.json()["type"]) == (200, "message")
    assert (broken.status, broken.json()["type"]) == (400, "error")


async def test_the_effort_is_said_as_the_model_wants_it_that_answers(upstream: FakeUpstream) -> None:
    efforts = Reasoning({"/v1/chat/completions": {"low": Effort(((("think",), 1),), 0)}})
    told = msgspec.structs.replace(target(upstream.url), reasoning=efforts)
    lead = ruled(model("lead", AWAY), {"realtime": to("m")})
    async with House(lead, model("m", told)) as house:
        assert (await house.call(chat("lead", reasoning_effort="low"))).status == 200

    sent = msgspec.json.decode(upstream.posts[0].body)
    assert sent["think"] == 1
    assert "reasoning_effort" not in sent
