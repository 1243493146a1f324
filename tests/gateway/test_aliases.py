"""Which model server an alias leads to, and what its answers announce."""

import msgspec
import pytest

from tests.fakes.answers import GARBAGE, json_reply, server_error
from tests.fakes.model import ModelServer
from tests.fakes.shapes import Json, chat_completion
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import House, chat, model, target
from tests.gateway.two import Two, said

INPUT, OUTPUT = "x-input-price-per-token", "x-output-price-per-token"


async def test_without_models_every_name_is_404() -> None:
    async with House() as house:
        answer = await house.call(chat("m"))
        listed = await house.get("/ai/v1/models")
        assert house.ledger.started == []

    assert (answer.status, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert listed.json() == {"object": "list", "data": []}


async def test_each_alias_leads_to_its_own_server_and_an_unknown_one_to_none(two: Two) -> None:
    async with House(model("one", two.one), model("two", two.two)) as house:
        assert said(await house.call(chat("one"))) == "one"
        assert said(await house.call(chat("two"))) == "two"
        assert (await house.call(chat("three"))).status == 404
    assert two.seen() == (1, 1)
    assert [two.first.posts[0].json()["model"], two.second.posts[0].json()["model"]] == [
        "name-one",
        "name-two",
    ]


@pytest.mark.parametrize("prices", [{INPUT: "0.1"}, {OUTPUT: "0.2"}, {INPUT: "0.1", OUTPUT: "0.2"}, {}])
async def test_a_model_announces_the_prices_that_it_has_and_no_others(
    upstream: FakeUpstream, prices: dict[str, str]
) -> None:
    priced = msgspec.structs.replace(target(upstream.url), response_headers=tuple(prices.items()))
    upstream.push(ModelServer(), ModelServer(), server_error(), GARBAGE)
    async with House(model("m", priced), model("other", target(upstream.url))) as house:
        answers = [await house.call(body) for body in (chat(), chat(stream=True), chat())]
        ours = [await house.call(chat()), await house.call(chat("unknown"))]
        other = await house.call(chat("other"))

    assert [answer.status for answer in (*answers, *ours, other)] == [200, 200, 500, 502, 404, 200]
    for answer in answers:
        assert {name: value for name, value in answer.headers if name in (INPUT, OUTPUT)} == prices
    for answer in (*ours, other):
        assert not {INPUT, OUTPUT} & dict(answer.headers).keys()


@pytest.mark.parametrize(
    "without", [{"choices": []}, {"object": "chat.completion", "choices": [{"id": "x"}]}]
)
async def test_an_answer_without_an_id_gets_ours(upstream: FakeUpstream, without: Json) -> None:
    upstream.push(json_reply(without), json_reply(chat_completion("fake-model", "a")))
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat())
        record = await house.recorded()
    assert answer.json() == {"id": f"resp_{record.id}", **without}
    assert answer.header("content-length") == str(len(answer.body))
