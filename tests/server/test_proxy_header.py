"""The header that a proxy writes ahead of a connection: read to its last byte, and never beyond."""

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dwctl.server.proxy_header import (
    MAX_HEADER,
    MAX_LINE,
    SIGNATURE,
    ProxyHeader,
    ProxyHeaderError,
    read_header,
)

PORTS = st.integers(0, 65535)


def line(text: str) -> bytes:
    """Version 1."""
    return f"PROXY {text}\r\n".encode()


def binary(command: int, family: int, content: bytes) -> bytes:
    """Version 2."""
    return SIGNATURE + bytes((command, family)) + struct.pack("!H", len(content)) + content


def binary_of(source: str, destination: str, port: int, extra: bytes = b"") -> bytes:
    """Version 2 of a client over TCP."""
    addresses = ip_address(source).packed + ip_address(destination).packed
    family = 0x11 if len(addresses) == 8 else 0x21
    return binary(0x21, family, addresses + struct.pack("!HH", port, 443) + extra)


def told(header: bytes, after: bytes = b"", *, exact: bool = True) -> tuple[str, int] | None:
    """What a connection that begins with a header tells, reading only what may be read."""
    data = b""
    while True:
        found = read_header(data)
        if isinstance(found, ProxyHeader):
            assert data == header
            return found.client
        assert found >= 1
        # Whatever comes after the header is there already, and must stay unread.
        assert not exact or len(data) + found <= len(header), "it would read beyond the header"
        data += (header + after)[len(data) : len(data) + found]


V4 = st.builds(
    lambda a, b, port, other: (line(f"TCP4 {a} {b} {port} {other}"), (str(a), port)),
    st.ip_addresses(v=4), st.ip_addresses(v=4), PORTS, PORTS,
)  # fmt: skip
V6_ADDRESSES = st.integers(0, 2**128 - 1).map(IPv6Address)
V6 = st.builds(
    lambda a, b, port, other: (line(f"TCP6 {a} {b} {port} {other}"), (str(a), port)),
    V6_ADDRESSES, V6_ADDRESSES, PORTS, PORTS,
)  # fmt: skip
UNKNOWN = st.text(alphabet=" abc:.019", max_size=MAX_LINE - 15).map(
    lambda rest: (
        line(f"UNKNOWN{' ' + rest if rest else ''}")[: MAX_LINE - 2].removesuffix(b"\r\n") + b"\r\n",
        None,
    )
)
V4_BINARY = st.builds(
    lambda a, b, port, extra: (binary_of(str(a), str(b), port, extra), (str(a), port)),
    st.ip_addresses(v=4), st.ip_addresses(v=4), PORTS, st.binary(max_size=300),
)  # fmt: skip
V6_BINARY = st.builds(
    lambda a, b, port, extra: (binary_of(str(a), str(b), port, extra), (str(a), port)),
    V6_ADDRESSES, V6_ADDRESSES, PORTS, st.binary(max_size=300),
)  # fmt: skip
NOBODY = st.builds(
    lambda family, extra: (binary(0x20, family, extra), None), st.integers(0, 255), st.binary(max_size=50)
) | st.builds(lambda extra: (binary(0x21, 0x00, extra), None), st.binary(max_size=50))
HEADERS = V4 | V6 | UNKNOWN | V4_BINARY | V6_BINARY | NOBODY


@given(HEADERS, st.binary(max_size=50))
@example((line("UNKNOWN"), None), b"GET / HTTP/1.1\r\n\r\n")
@example((line("TCP4 1.1.1.1 1.1.1.1 0 0"), ("1.1.1.1", 0)), b"\r\n")
@example((line("TCP6 :: :: 0 0"), ("::", 0)), b"\n")
@example((binary(0x21, 0x31, b"x" * 216), None), b"")
def test_a_header_is_read_to_its_last_byte(case: tuple[bytes, tuple[str, int] | None], after: bytes) -> None:
    header, client = case
    assert told(header, after) == client


@given(HEADERS, st.data())
def test_a_header_that_was_changed_is_refused_or_another_one(
    case: tuple[bytes, tuple[str, int] | None], data: st.DataObject
) -> None:
    header = bytearray(case[0])
    at = data.draw(st.integers(0, len(header) - 1))
    header[at] = data.draw(st.integers(0, 255))
    for size in range(len(header) + 1):
        try:
            found = read_header(bytes(header[:size]))
        except ProxyHeaderError:
            return
        if isinstance(found, ProxyHeader):
            return
        assert found >= 1


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda rest: b"PROXY TCP4 " + rest))
def test_anything_else_is_refused_or_waited_for_up_to_the_longest(data: bytes) -> None:
    try:
        found = read_header(data)
    except ProxyHeaderError:
        return
    if isinstance(found, int):
        assert found >= 1
        assert len(data) + found <= MAX_HEADER


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01",
        b"\n",
        b"proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
        b"PROXY\tTCP4 1.1.1.1 1.1.1.1 1 1\r\n",
        line("TCP5 1.1.1.1 1.1.1.1 1 1"),
        line("TCP4  1.1.1.1 1.1.1.1 1 1"),
        line("TCP4 1.1.1.1 1.1.1.1 1 1 "),
        line("TCP4 1.1.1.1 1.1.1.1 1"),
        line("TCP4 01.1.1.1 1.1.1.1 1 1"),
        line("TCP4 1.1.1.1 1.1.1.1 01 1"),
        line("TCP4 1.1.1.1 1.1.1.1 65536 1"),
        line("TCP4 1.1.1.1 1.1.1.1 -1 1"),
        line("TCP4 1.1.1.1 1.1.1.1 1 +1"),
        line("TCP4 ::1 ::1 1 1"),
        line("TCP6 1.1.1.1 1.1.1.1 1 1"),
        line("TCP6 fe80::1%eth0 ::1 11 11"),
        b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n\n",
        b"PROXY TCP4 1.1.1.1\r1.1.1.1 1 1\r\n",
        b"PROXY UNKNOWNS\r\n",
        line("UNKNOWN" + " " * 93),
        binary(0x11, 0x11, b"x" * 12),
        binary(0x22, 0x11, b"x" * 12),
        binary(0x21, 0x12, b"x" * 12),
        binary(0x21, 0x11, b"x" * 11),
        binary(0x21, 0x21, b"x" * 35),
        binary(0x21, 0x31, b"x" * 215),
        binary(0x21, 0x11, b"x" * (MAX_HEADER - 15)),
    ],
)
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        told(data, b"x" * MAX_HEADER, exact=False)


def test_the_longest_ones_are_taken() -> None:
    longest = line("UNKNOWN" + " " * 92)
    assert len(longest) == MAX_LINE
    assert told(longest) is None
    header = binary_of("192.0.2.1", "192.0.2.2", 5, b"x" * (MAX_HEADER - 28))
    assert len(header) == MAX_HEADER
    assert told(header) == ("192.0.2.1", 5)
    assert told(line(f"TCP6 {'ffff:' * 7}ffff {'ffff:' * 7}ffff 65535 65535")) == (
        str(IPv6Address(2**128 - 1)),
        65535,
    )
    assert told(line("TCP4 255.255.255.255 1.1.1.1 65535 1")) == (str(IPv4Address(2**32 - 1)), 65535)
