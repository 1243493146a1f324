"""Which addresses may be connected to."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.reach import NetworkSettings, Reach, literal

STRICT = Reach(NetworkSettings(private=False, loopback=False, link_local=False))
USUAL = Reach(NetworkSettings())
OPEN = Reach(NetworkSettings(link_local=True))

LOOPBACK = ["127.0.0.1", "127.255.255.255", "0.0.0.0", "0.1.2.3", "::1", "::", "::ffff:127.0.0.1"]
PRIVATE = [
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1"),
    *("192.0.0.1", "224.0.0.1", "255.255.255.255", "ff02::1", "fec0::1", "64:ff9b:1::1", "::ffff:0:10.0.0.1"),
    *("198.18.0.1", "fc00::1", "fdff::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::"),
]
LINK_LOCAL = [
    *("169.254.0.1", "169.254.169.254", "fe80::1", "fe80::1%eth0", "febf::1", "::ffff:169.254.169.254"),
    *("64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254"),
    *("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
]
PUBLIC = [
    *("1.1.1.1", "9.255.255.255", "11.0.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255"),
    *("169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "100.63.255.255"),
    *("100.128.0.0", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "fe00::1"),
]


@pytest.mark.parametrize("address", LOOPBACK)
def test_this_machine(address: str) -> None:
    assert USUAL.refusal(address) is None
    assert STRICT.refusal(address) == f"{address} is not allowed by gateway.upstream.networks.loopback"


@pytest.mark.parametrize("address", PRIVATE)
def test_private_networks(address: str) -> None:
    assert USUAL.refusal(address) is None
    assert STRICT.refusal(address) == f"{address} is not allowed by gateway.upstream.networks.private"


@pytest.mark.parametrize("address", LINK_LOCAL)
def test_link_local_and_metadata_are_denied_unless_allowed(address: str) -> None:
    refusal = f"{address} is not allowed by gateway.upstream.networks.link_local"
    assert USUAL.refusal(address) == refusal
    assert STRICT.refusal(address) == refusal
    assert OPEN.refusal(address) is None


@pytest.mark.parametrize("address", PUBLIC)
def test_the_others_are_allowed(address: str) -> None:
    assert STRICT.refusal(address) is None


def test_named_networks_go_before_the_classes_and_denied_ones_before_allowed() -> None:
    reach = Reach(
        NetworkSettings(
            private=False, allowed=("10.1.0.0/16", "169.254.169.254"), denied=("10.1.2.0/24", "8.8.8.8")
        )
    )
    assert reach.refusal("10.1.1.1") is None
    assert reach.refusal("169.254.169.254") is None
    assert "networks.private" in (reach.refusal("10.2.0.1") or "")
    assert "networks.denied" in (reach.refusal("10.1.2.3") or "")
    assert "networks.denied" in (reach.refusal("::ffff:10.1.2.3") or "")
    assert "networks.denied" in (reach.refusal("64:ff9b::8.8.8.8") or "")
    assert reach.refusal("8.8.4.4") is None


def test_what_is_no_address_is_refused() -> None:
    assert OPEN.refusal("example.com") == "example.com is no address"


@given(st.ip_addresses(v=4))
def test_however_an_ipv4_address_is_wrapped_it_is_judged_alike(address: IPv4Address) -> None:
    number = int(address)
    plain = STRICT.refusal(str(address)) is None
    assert (STRICT.refusal(str(IPv6Address(0xFFFF << 32 | number))) is None) == plain
    assert (STRICT.refusal(str(IPv6Address((0x64FF9B << 96) | number))) is None) == plain
    assert (STRICT.refusal(str(IPv6Address((0xFFFF << 48) | number))) is None) == plain
    assert (STRICT.refusal(str(IPv6Address((0x2002 << 112) | (number << 80)))) is None) == plain


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("LocalHost.", "127.0.0.1"),
        ("a.localhost", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("2852039166", "169.254.169.254"),
        ("::1", "::1"),
        ("example.com", None),
        ("localhost.example.com", None),
        ("", None),
    ],
)
def test_hosts_that_are_addresses_by_themselves(host: str, address: str | None) -> None:
    assert literal(host) == address
