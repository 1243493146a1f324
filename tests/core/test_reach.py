"""Which addresses may be called: of a name only those that the rule lets through."""

from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.reach import EVERYWHERE, NotAllowed, Reach, reach_of

PUBLIC = reach_of((), private=False)
METADATA = int(ip_address("169.254.169.254"))
CARRIERS = {
    "mapped": ("::ffff:0:0", 0),
    "translated": ("::ffff:0:0:0", 0),
    "NAT64": ("64:ff9b::", 0),
    "6to4": ("2002::", 80),
    "compatible": ("::", 0),
}
"""Where an IPv6 address has an IPv4 address: the prefix, and how many bits follow."""
CLOUDS = reach_of(("169.254.0.0/16", "fe80::/10"), private=True)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1"),
    ],
)
def test_what_the_internet_does_not_route_is_private(address: str) -> None:
    assert PUBLIC.excludes(ip_address(address)) == "allow_private"
    assert EVERYWHERE.excludes(ip_address(address)) is None


@pytest.mark.parametrize("address", ["fec0::1", "64:ff9b:1::1"])
def test_what_was_once_private_or_is_for_local_translators_is_too(address: str) -> None:
    assert PUBLIC.excludes(ip_address(address)) == "allow_private"
    assert CLOUDS.excludes(ip_address(address)) is None


@pytest.mark.parametrize("carrier", CARRIERS)
@given(st.ip_addresses(v=4))
def test_an_address_that_carries_another_is_held_to_both(carrier: str, carried: IPv4Address) -> None:
    prefix, shift = CARRIERS[carrier]
    address = ip_address(int(ip_address(prefix)) | int(carried) << shift)
    if PUBLIC.excludes(carried) is not None:
        assert PUBLIC.excludes(address) == "allow_private"
    assert CLOUDS.excludes(ip_address(int(ip_address(prefix)) | METADATA << shift)) == "denied_networks"
    assert EVERYWHERE.excludes(address) is None


@pytest.mark.parametrize("address", ["64:ff9b::808:808", "2002:808:808::1", "::8.8.8.8"])
def test_one_that_carries_a_public_one_may_be_called(address: str) -> None:
    assert PUBLIC.excludes(ip_address(address)) is None


def test_loopback_and_no_address_carry_none() -> None:
    zero = reach_of(("0.0.0.0/8",), private=True)
    assert zero.excludes(ip_address("0.0.0.1")) == "denied_networks"
    assert (zero.excludes(ip_address("::1")), zero.excludes(ip_address("::"))) == (None, None)


@given(st.ip_addresses(v=4))
def test_every_other_address_may_be_called(address: IPv4Address) -> None:
    routed = address.is_global and not address.is_multicast
    assert (PUBLIC.excludes(address) is None) == routed


@pytest.mark.parametrize(
    ("reach", "host", "setting"),
    [
        (PUBLIC, "localhost", "allow_private"),
        (PUBLIC, "127.0.0.1", "allow_private"),
        (PUBLIC, "::1", "allow_private"),
        (PUBLIC, "::ffff:10.0.0.1", "allow_private"),
        (PUBLIC, "2130706433", "allow_private"),
        (PUBLIC, "0x7f.1", "allow_private"),
        (CLOUDS, "169.254.169.254", "denied_networks"),
        (CLOUDS, "::ffff:169.254.169.254", "denied_networks"),
        (reach_of(("127.0.0.0/8", "::1/128"), private=True), "localhost", "denied_networks"),
    ],
)
async def test_a_host_without_an_address_that_may_be_called_is_refused_by_name(
    reach: Reach, host: str, setting: str
) -> None:
    with pytest.raises(NotAllowed, match=f"gateway.upstream.{setting} excludes it") as caught:
        await reach.addresses(host, 80)
    assert host in str(caught.value)


async def test_addresses_that_may_be_called_are_kept() -> None:
    assert await CLOUDS.addresses("127.0.0.1", 80) == ["127.0.0.1"]
    assert await PUBLIC.addresses("8.8.8.8", 80) == ["8.8.8.8"]


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="host bits"):
        reach_of(("10.0.0.1/8",), private=True)
