"""Pages of other origins call models where the installation lets them, and nowhere else."""

import pytest

from dwctl.wire.cors import Cors
from tests.fakes.answers import server_error
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import House, bearer, chat, model, target
from tests.gateway.wire import Answer

PAGE = "https://app.example"
OTHER = "https://evil.example"
POLICY = Cors([PAGE], credentials=True, exposed=["location", "x-request-id"])


async def answers(house: House, upstream: FakeUpstream, origin: str) -> list[Answer]:
    """Whole, streamed, failed and refused."""
    headers = {"origin": origin}
    found = [await house.call(chat(), headers=headers), await house.call(chat(stream=True), headers=headers)]
    upstream.push(server_error(500))
    found.append(await house.call(chat(), headers=headers))
    found.append(await house.call(chat("unknown"), headers=headers))
    async with house.wire() as wire:
        wire.send("/ai/v1/models", headers=bearer() | headers)
        found.append(await wire.answer())
    return found


async def test_every_answer_to_a_page_that_may_call_says_so(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url)), cors=POLICY) as house:
        found = await answers(house, upstream, PAGE)
    assert [answer.status for answer in found] == [200, 200, 500, 404, 200]
    for answer in found:
        assert answer.header("access-control-allow-origin") == PAGE
        assert answer.header("access-control-allow-credentials") == "true"
        assert answer.header("access-control-expose-headers") == "location, x-request-id"
        assert answer.header("vary") == "origin"


@pytest.mark.parametrize(("policy", "origin"), [(POLICY, OTHER), (Cors(), PAGE)])
async def test_no_answer_to_another_page_does(upstream: FakeUpstream, policy: Cors, origin: str) -> None:
    async with House(model("m", target(upstream.url)), cors=policy) as house:
        for answer in await answers(house, upstream, origin):
            assert not [name for name, _ in answer.headers if name.startswith("access-control-")]


async def test_any_page_when_any_may(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url)), cors=Cors(["*"])) as house:
        answer = await house.call(chat(), headers={"origin": OTHER})
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("access-control-allow-credentials") is None


async def test_the_page_is_no_business_of_the_model_server(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url)), cors=POLICY) as house:
        await house.call(chat(), headers={"origin": PAGE})
    assert upstream.posts[0].header("origin") is None
