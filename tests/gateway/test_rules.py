"""Traffic rules: by the purpose of the key a model takes calls, denies them, or leads them to another model."""

import msgspec
import pytest

from dwctl.routing.rules import Rule, Rules
from dwctl.routing.snapshot import Model, Purpose
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import SECRET, House, chat, key, model, target

DENY = Rule(redirect=False)


def ruled(known: Model, rules: Rules) -> Model:
    """A model with rules."""
    return msgspec.structs.replace(known, rules=rules)


def to(alias: str | None) -> Rule:
    """A redirect."""
    return Rule(redirect=True, target=alias)


@pytest.mark.parametrize(("purpose", "status"), [("realtime", 200), ("batch", 403), ("playground", 200)])
async def test_a_denied_purpose_is_told_so_and_the_others_pass(
    upstream: FakeUpstream, purpose: Purpose, status: int
) -> None:
    known = ruled(model("m", target(upstream.url)), {"batch": DENY})
    async with House(known, keys={SECRET: key(purpose)}) as house:
        answer = await house.call(chat())

        assert answer.status == status
        if status == 403:
            assert answer.json()["error"] == {
                "message": "The model 'm' takes no calls with keys of the purpose 'batch'.",
                "type": "invalid_request_error",
                "param": "model",
                "code": "forbidden",
            }
            assert house.ledger.started == []
    assert len(upstream.posts) == (status == 200)


async def test_a_redirect_calls_the_other_model_and_records_the_one_asked_for(upstream: FakeUpstream) -> None:
    away = target("http://127.0.0.1:9/v1", "dear-model")
    cheap = target(upstream.url, "fake-model")
    dear = ruled(model("dear", away), {"realtime": to("cheap")})
    async with House(dear, model("cheap", cheap)) as house:
        assert (await house.call(chat("dear"))).status == 200
        record = await house.recorded()
        assert (await house.call(chat("cheap"))).status == 200

    assert (record.model, record.target_model, record.endpoint_id) == (
        "dear",
        "fake-model",
        cheap.endpoint_id,
    )
    assert [request.json()["model"] for request in upstream.posts] == ["fake-model", "fake-model"]


async def test_neither_access_nor_rules_of_the_other_model_are_asked(upstream: FakeUpstream) -> None:
    first = ruled(model("first", target("http://127.0.0.1:9/v1")), {"realtime": to("second")})
    second = ruled(
        model("second", target(upstream.url), groups=("closed",)), {"realtime": to("third"), "batch": DENY}
    )
    async with House(first, second, model("third", target("http://127.0.0.1:9/v1"))) as house:
        assert (await house.call(chat("first"))).status == 200
        assert (await house.call(chat("second"))).status == 403

    # Two that lead to each other lead one step.
    loop = [
        ruled(model(name, target(upstream.url)), {"realtime": to(other)})
        for name, other in (("a", "b"), ("b", "a"))
    ]
    async with House(*loop) as house:
        assert (await house.call(chat("a"))).status == 200


@pytest.mark.parametrize("leads_to", ["gone", "empty", None])
async def test_a_redirect_to_nothing_is_502(upstream: FakeUpstream, leads_to: str | None) -> None:
    known = ruled(model("m", target(upstream.url)), {"realtime": to(leads_to)})
    async with House(known, model("empty")) as house:
        answer = await house.call(chat())

    assert answer.status == 502
    assert answer.json()["error"]["code"] == "upstream_error"
    assert upstream.posts == []


async def test_rules_go_before_the_question_whether_anybody_serves_the_model(upstream: FakeUpstream) -> None:
    lead = ruled(model("lead"), {"realtime": to("m")})
    shut = ruled(model("shut"), {"realtime": DENY})
    async with House(lead, shut, model("empty"), model("m", target(upstream.url))) as house:
        assert (await house.call(chat("lead"))).status == 200
        assert (await house.call(chat("shut"))).status == 403
        empty = await house.call(chat("empty"))

    assert empty.status == 503
    assert empty.json()["error"]["code"] == "service_unavailable"


async def test_access_goes_before_rules(upstream: FakeUpstream) -> None:
    closed = ruled(model("closed", target(upstream.url), groups=("g",)), {"realtime": to("m")})
    async with House(closed, model("m", target(upstream.url))) as house:
        answer = await house.call(chat("closed"))

    assert answer.status == 403
    assert "do not have access" in answer.json()["error"]["message"]
