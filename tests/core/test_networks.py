"""A set of networks says the same as looking at each of them."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dwctl.core.networks import Networks, parse_address, parse_network

four = some.integers(0, 2**32 - 1)
six = some.integers(0, 2**128 - 1)
networks = some.one_of(
    some.builds(
        lambda number, length: IPv4Network((number, length), strict=False), four, some.integers(0, 32)
    ),
    some.builds(
        lambda number, length: IPv6Network((number, length), strict=False), six, some.integers(0, 128)
    ),
)
addresses = some.one_of(four.map(IPv4Address), six.map(IPv6Address))


@given(some.lists(networks, max_size=20), addresses, some.data())
def test_as_one_by_one(
    known: list[IPv4Network | IPv6Network], address: IPv4Address | IPv6Address, data: some.DataObject
) -> None:
    found = Networks(known)
    asked = [address]
    if known:
        network = data.draw(some.sampled_from(known))
        asked += [network.network_address, network.broadcast_address]
    for each in asked:
        assert (each in found) == any(each in network for network in known)
    assert bool(found) == bool(known)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        (" 10.0.0.1:80 ", "10.0.0.1"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ('"[2001:db8::1]"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("", None),
        ("unknown", None),
        ("_hidden", None),
        ("10.0.0", None),
        ("10.0.0.1.", None),
        ("10.0.0.1, 10.0.0.2", None),
    ],
)
def test_addresses_as_proxies_write_them(text: str, address: str | None) -> None:
    assert parse_address(text) == (None if address is None else ip_address(address))


@given(some.text(max_size=40))
def test_no_text_is_too_odd(text: str) -> None:
    parse_address(text)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "x", "", "10.0.0.0/8 "])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_network(text)
