"""Keys that are limited to certain models and networks, and where a client is said to be."""

from ipaddress import ip_network

import msgspec
import pytest

from dwctl.core.networks import Networks
from dwctl.gateway.settings import GatewaySettings
from dwctl.routing.snapshot import Allowed, Key
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import SECRET, House, bearer, chat, key, model, target


def limited(models: tuple[str, ...] | None = None, networks: tuple[str, ...] | None = None) -> Key:
    """A key with lists."""
    allowed = Allowed(
        models=None if models is None else frozenset(models),
        networks=None if networks is None else Networks(map(ip_network, networks)),
    )
    return msgspec.structs.replace(key(), allowed=allowed)


async def test_a_key_with_a_list_of_models_reaches_these_alone(upstream: FakeUpstream) -> None:
    models = [model(alias, target(upstream.url)) for alias in ("a", "b", "x/c")]
    closed = model("closed", target(upstream.url), groups=("g",))
    keys = {SECRET: limited(("a", "x/c", "closed", "not-there")), "sk-all": key(), "sk-b": limited(("b",))}
    async with House(*models, closed, keys=keys) as house:
        for alias, status in (("a", 200), ("x/c", 200), ("b", 403), ("closed", 403), ("not-there", 404)):
            assert (await house.call(chat(alias))).status == status, alias
        refused = await house.call(chat("b"))
        listed = [
            [shown["id"] for shown in (await house.get("/ai/v1/models", bearer(secret))).json()["data"]]
            for secret in (SECRET, "sk-all", "sk-b", SECRET)
        ]
        one = [(await house.get(f"/ai/v1/models/{alias}")).status for alias in ("a", "b")]

    error = refused.json()["error"]
    assert error["message"] == "This API key may not use 'b'. Its owner has limited it to certain models."
    assert (error["code"], error["param"]) == ("forbidden", "model")
    assert listed == [["a", "x/c"], ["a", "b", "x/c"], ["b"], ["a", "x/c"]]
    assert one == [200, 404]


@pytest.mark.parametrize(
    ("networks", "status"),
    [
        (("127.0.0.0/8",), 200),
        (("127.0.0.1/32", "10.0.0.0/8"), 200),
        (("10.0.0.0/8", "::1/128"), 403),
        (("0.0.0.0/0",), 200),
        (("::/0",), 403),
    ],
)
async def test_a_key_with_networks_is_good_for_clients_there(
    upstream: FakeUpstream, networks: tuple[str, ...], status: int
) -> None:
    async with House(model("m", target(upstream.url)), keys={SECRET: limited(networks=networks)}) as house:
        # Nobody is trusted: what a client says of itself counts for nothing.
        answer = await house.call(chat(), headers={"x-forwarded-for": "10.0.0.1"})
        listed = await house.get("/ai/v1/models")

    assert (answer.status, listed.status) == (status, status)
    if status == 403:
        assert answer.json()["error"]["message"] == (
            "This API key may not be used from 127.0.0.1. Its owner has limited it to certain networks."
        )


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        (["203.0.113.7"], 200),
        (["203.0.113.7:4711"], 200),
        (["::ffff:203.0.113.7"], 200),
        (['"[2001:db8::7]:4711"'], 200),
        (["198.51.100.1"], 403),
        # What stands to the left of the first address that nobody vouches for can be made up.
        (["203.0.113.7, 198.51.100.1"], 403),
        (["198.51.100.1, 203.0.113.7"], 200),
        (["198.51.100.1, 203.0.113.7, 10.1.2.3"], 200),
        (["198.51.100.1", "203.0.113.7", "127.0.0.1"], 200),
        (["203.0.113.7, unknown"], 403),
        (["203.0.113.7, "], 403),
        ([""], 403),
        # Only proxies: the outermost of them is the client.
        (["10.1.2.3"], 403),
        ([], 403),
    ],
)
async def test_behind_trusted_proxies_the_client_is_whom_they_name(
    upstream: FakeUpstream, forwarded: list[str], status: int
) -> None:
    settings = GatewaySettings(trusted_proxies=("127.0.0.0/8", "10.0.0.0/8"))
    keys = {SECRET: limited(networks=("203.0.113.0/24", "2001:db8::/32"))}
    async with (
        House(model("m", target(upstream.url)), keys=keys, settings=settings) as house,
        house.wire() as wire,
    ):
        lines = [f"x-forwarded-for: {value}" for value in forwarded]
        head = ["GET /ai/v1/models HTTP/1.1", "host: x", f"authorization: Bearer {SECRET}", *lines, "", ""]
        # Twice on one connection: a repeated head is not read again.
        for _ in range(2):
            wire.writer.write("\r\n".join(head).encode())
            assert (await wire.answer()).status == status


async def test_a_key_without_networks_works_from_wherever(upstream: FakeUpstream) -> None:
    settings = GatewaySettings(trusted_proxies=("127.0.0.1",))
    async with House(model("m", target(upstream.url)), settings=settings) as house:
        assert (await house.call(chat(), headers={"x-forwarded-for": "nonsense"})).status == 200
