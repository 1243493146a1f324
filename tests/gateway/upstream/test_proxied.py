"""Calls through a proxy on real sockets."""

import asyncio
import ssl
from typing import Any

import pytest

from dwctl.control.endpoints.discovery import DiscoveryError, fetch_models
from dwctl.core.dial import Dialer
from dwctl.core.proxies import read_proxies
from dwctl.core.reach import NetworkSettings, Reach
from dwctl.core.settings import Duration
from dwctl.gateway.settings import UpstreamSettings
from dwctl.gateway.upstream.address import split_url
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.gateway.upstream.connection import Failure
from tests.fakes.answers import reply
from tests.fakes.certificates import Certificate
from tests.fakes.proxy import FakeProxy
from tests.fakes.upstream import FakeUpstream
from tests.gateway.upstream.collector import DEADLINE
from tests.gateway.upstream.test_client import calling

USER = "Basic dXNlcjpwdw=="


def through(proxy: FakeProxy, *, user: str = "", tls: ssl.SSLContext | None = None, no: str = "") -> Dialer:
    """Connects by this proxy."""
    url = proxy.url.replace("//", f"//{user}@") if user else proxy.url
    return Dialer(
        Reach(NetworkSettings()),
        proxies=read_proxies(url, no.split(), {}),
        tls=tls,
    )


async def test_plain_requests_name_their_server(upstream: FakeUpstream) -> None:
    upstream.push(reply(b"one"), reply(b"two"))
    async with FakeProxy() as proxy, calling(upstream.url, dialer=through(proxy)) as caller:
        assert (await caller.call()).body == b"one"
        assert (await caller.call()).body == b"two"
    place = upstream.url.removesuffix("/v1")
    assert [head.partition("\r\n")[0] for head in proxy.heads] == [
        f"POST {place}/v1/chat/completions HTTP/1.1"
    ] * 2
    assert upstream.connections == 1
    assert [request.header("host") for request in upstream.posts] == ["up", "up"]


async def test_tls_goes_through_a_tunnel() -> None:
    certificate = Certificate()
    async with (
        FakeUpstream(certificate=certificate) as upstream,
        FakeProxy(wanted=USER) as proxy,
        calling(
            upstream.url, dialer=through(proxy, user="user:pw", tls=certificate.client_context())
        ) as caller,
    ):
        upstream.push(reply(b"one"), reply(b"two"))
        assert (await caller.call()).body == b"one"
        assert (await caller.call()).body == b"two"
    assert len(proxy.heads) == 1
    place = f"127.0.0.1:{upstream.port}"
    assert (
        proxy.heads[0] == f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\nproxy-authorization: {USER}\r\n\r\n"
    )
    assert upstream.posts[0].header("proxy-authorization") is None


async def test_the_name_is_the_proxys_to_resolve_and_the_certificates_to_prove() -> None:
    certificate = Certificate()
    async with FakeUpstream(certificate=certificate) as upstream, FakeProxy() as proxy:
        proxy.elsewhere = ("127.0.0.1", upstream.port)
        dialer = through(proxy, tls=certificate.client_context())
        async with calling("https://not-there.invalid:444/v1", dialer=dialer) as caller:
            got = await caller.call()
    assert got.failure is Failure.UNREACHABLE
    assert "certificate" in got.detail
    assert proxy.heads[0].startswith("CONNECT not-there.invalid:444 HTTP/1.1\r\n")
    assert upstream.requests == []


async def test_credentials_go_with_plain_requests_and_not_to_the_server(upstream: FakeUpstream) -> None:
    upstream.push(reply(b"hello"))
    async with FakeProxy(wanted=USER) as proxy:
        async with calling(upstream.url, dialer=through(proxy, user="user:pw")) as caller:
            assert (await caller.call()).body == b"hello"
        assert upstream.posts[0].header("proxy-authorization") is None
        async with calling(upstream.url, dialer=through(proxy, user="user:wrong")) as caller:
            got = await caller.call()
        assert (got.failure, got.detail) == (
            Failure.UNREACHABLE,
            "the proxy wants other credentials (407)",
        )


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno", "made no tunnel: it answered 403"),
        (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", "made no tunnel: it answered 502"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "did not answer in HTTP"),
        (b"HTTP/1.1 2", "did not answer"),
        (b"x" * 20_000, "did not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", "said more than that there is a tunnel"),
    ],
)
async def test_a_proxy_that_makes_no_tunnel(answer: bytes, detail: str) -> None:
    settings: dict[str, Any] = {"connect_timeout": Duration(0.5)} if answer == b"HTTP/1.1 2" else {}
    async with (
        FakeProxy(answer=answer) as proxy,
        calling("https://127.0.0.1:9/v1", dialer=through(proxy), **settings) as caller,
    ):
        got = await caller.call()
    if settings:
        assert got.failure is Failure.CONNECT_TIMEOUT
    else:
        assert got.failure is Failure.UNREACHABLE
        assert got.detail == f"the proxy 127.0.0.1:{proxy.port} {detail}"


async def test_whoever_is_exempt_is_called_directly(upstream: FakeUpstream) -> None:
    upstream.push(reply(b"hello"))
    async with FakeProxy() as proxy, calling(upstream.url, dialer=through(proxy, no="127.0.0.1")) as caller:
        assert (await caller.call()).body == b"hello"
    assert proxy.heads == []


@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166"])
async def test_addresses_are_judged_behind_a_proxy_too(host: str) -> None:
    async with FakeProxy() as proxy, calling(f"http://{host}/v1", dialer=through(proxy)) as caller:
        got = await caller.call()
    assert got.failure is Failure.NOT_ALLOWED
    assert proxy.heads == []


async def test_connections_of_their_own_are_tunnels(upstream: FakeUpstream) -> None:
    ended = asyncio.Event()

    class Far(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            ended.set()

    async with FakeProxy() as proxy:
        client = UpstreamClient(UpstreamSettings(), dialer=through(proxy))
        await client.open(split_url(upstream.url)[0], Far, 20)
        async with asyncio.timeout(DEADLINE):
            await ended.wait()
        assert proxy.heads[0].startswith(f"CONNECT 127.0.0.1:{upstream.port} ")


async def test_models_are_asked_for_through_the_proxy_too(upstream: FakeUpstream) -> None:
    async with FakeProxy(wanted=USER) as proxy:
        dialer = through(proxy, user="user:pw")
        found = await fetch_models(f"{upstream.url}/", None, timeout=20, dialer=dialer)
        assert [model.id for model in found] == ["fake-model"]
        assert proxy.heads[0].startswith(f"GET {upstream.url}/models HTTP/1.1\r\n")
        with pytest.raises(DiscoveryError, match=r"may not be called: 169\.254\.169\.254 is not allowed"):
            await fetch_models("http://169.254.169.254/", None, timeout=20, dialer=dialer)
        assert len(proxy.heads) == 1
