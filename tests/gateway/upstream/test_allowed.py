"""Calls go to addresses that are allowed, whatever a name means by then."""

import asyncio
import socket
from typing import Any

import pytest

from dwctl.core.dial import Dialer, Found
from dwctl.core.reach import NetworkSettings, NotAllowed, Reach
from dwctl.gateway.settings import UpstreamSettings
from dwctl.gateway.upstream.address import split_url
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.gateway.upstream.connection import Failure
from tests.fakes.answers import reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import House, chat, model, target, upstream_settings
from tests.gateway.upstream.test_client import calling

NOT_HERE = NetworkSettings(loopback=False)


async def test_an_address_that_is_not_allowed_is_not_connected_to(upstream: FakeUpstream) -> None:
    for url in (upstream.url, upstream.url.replace("127.0.0.1", "localhost")):
        async with calling(url, networks=NOT_HERE) as caller:
            got = await caller.call()
        assert got.failure is Failure.NOT_ALLOWED
        assert got.detail.endswith("is not allowed by gateway.upstream.networks.loopback")
    assert upstream.connections == 0


class Names:
    """A resolver whose answers change: each one is used once, the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[Found]:
        """The next answer."""
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port)) for address in answer]


def dialer(names: Names, **settings: Any) -> Dialer:
    """Connects to what the names mean."""
    return Dialer(Reach(NetworkSettings(**settings)), resolver=names)


async def test_a_name_that_means_something_else_later_gets_nowhere(upstream: FakeUpstream) -> None:
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    upstream.push(reply(b"hello", headers=[("connection", "close")]))
    url = upstream.url.replace("127.0.0.1", "rebound.example")
    async with calling(url, dialer=dialer(names, denied=("127.0.0.2",))) as caller:
        first = await caller.call()
        second = await caller.call()
    assert (first.body, first.failure) == (b"hello", None)
    assert second.failure is Failure.NOT_ALLOWED
    assert "127.0.0.2 is in a network of gateway.upstream.networks.denied" in second.detail
    assert (names.asked, upstream.connections) == (2, 1)


@pytest.mark.parametrize("other", ["169.254.1.1", "127.0.0.3"])
async def test_of_several_addresses_one_is_used_that_is_allowed_and_answers(
    upstream: FakeUpstream, other: str
) -> None:
    upstream.push(reply(b"hello"))
    url = upstream.url.replace("127.0.0.1", "two.example")
    async with calling(url, dialer=dialer(Names([other, "127.0.0.1"]))) as caller:
        assert (await caller.call()).body == b"hello"


async def test_a_kept_connection_is_used_without_asking_again(upstream: FakeUpstream) -> None:
    names = Names(["127.0.0.1"])
    upstream.push(reply(b"one"), reply(b"two"))
    async with calling(upstream.url, dialer=dialer(names)) as caller:
        await caller.call()
        assert (await caller.call()).body == b"two"
    assert (names.asked, upstream.connections) == (1, 1)


async def test_connections_of_their_own_obey_too(upstream: FakeUpstream) -> None:
    client = UpstreamClient(UpstreamSettings(networks=NOT_HERE))
    address = split_url(upstream.url)[0]
    with pytest.raises(NotAllowed, match=r"127\.0\.0\.1 is not allowed"):
        await client.open(address, asyncio.Protocol, 20)
    assert upstream.connections == 0


async def test_the_client_is_told_that_the_address_is_the_reason(upstream: FakeUpstream) -> None:
    settings = upstream_settings(networks=NOT_HERE)
    async with House(model("here", target(upstream.url)), settings=settings) as house:
        answer = await house.call(chat("here"))
    assert answer.status == 502
    error = answer.json()["error"]
    assert error["message"] == "The model server of 'here' has an address that this gateway may not call."
    assert error["code"] == "upstream_error"
