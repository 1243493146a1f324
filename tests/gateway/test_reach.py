"""A model server where none may be called: no connection is made, on whatever route."""

import pytest

from dwctl.gateway.settings import GatewaySettings, RealtimeSettings, UpstreamSettings
from tests.fakes.realtime import RealtimeServer
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import House, chat, model, target
from tests.gateway.test_realtime import client, refusal

RULES = {
    "private addresses": UpstreamSettings(allow_private=False),
    "a network": UpstreamSettings(denied_networks=("127.0.0.0/8", "::1/128")),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_call_is_502_and_the_reason_stays_here(
    upstream: FakeUpstream, caplog: pytest.LogCaptureFixture, rule: str, host: str
) -> None:
    known = model("m", target(upstream.url.replace("127.0.0.1", host)))
    async with House(known, settings=GatewaySettings(upstream=RULES[rule])) as house:
        answer = await house.call(chat())
        record = await house.recorded()

    assert (answer.status, record.status_code) == (502, 502)
    assert host.encode() not in answer.body
    assert b"excludes" not in answer.body
    assert f"{host} " in caplog.text
    assert "excludes it" in caplog.text
    assert upstream.posts == []


async def test_a_name_is_called_at_the_address_that_was_checked(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url.replace("127.0.0.1", "localhost")))) as house:
        assert (await house.call(chat())).status == 200

    assert (upstream.posts[0].header("host") or "").startswith("localhost:")


async def test_a_realtime_session_is_refused_too() -> None:
    rules = GatewaySettings(upstream=RULES["private addresses"], realtime=RealtimeSettings())
    async with (
        RealtimeServer() as server,
        House(model("m/1", target(server.url)), settings=rules) as house,
        client(house) as (made, answer),
    ):
        assert (await refusal(made, answer))[0] == 502
        assert server.open_connections == 0
