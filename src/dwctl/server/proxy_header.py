"""What a proxy writes ahead of a connection: whose it is (the PROXY protocol of HAProxy, versions 1 and 2). Pure.

Version 1 is a line of text, version 2 is binary. Both may say that there is nothing to tell: a proxy's own check of
health (`LOCAL`), or a client without an address (`UNKNOWN`, a Unix socket).
"""

from ipaddress import IPv4Address, IPv6Address

import msgspec

MAX_LINE = 107
"""Bytes of version 1, its end included."""
MAX_HEADER = 4096
"""Bytes of version 2; what it may carry beyond addresses is read over."""
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_LINE = b"PROXY "
_FIXED = 16
_LEAST_LINE = {b"UNKN": 15, b"TCP4": 32, b"TCP6": 22}
"""The shortest line of each kind."""
_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED, _TCP4, _TCP6, _UNIX = 0x00, 0x11, 0x21, 0x31
_ADDRESS_BYTES = {_UNSPECIFIED: 0, _TCP4: 12, _TCP6: 36, _UNIX: 216}


class ProxyHeaderError(Exception):
    """What came is no such header; says why."""


class ProxyHeader(msgspec.Struct, frozen=True):
    """A whole one."""

    client: tuple[str, int] | None
    """Address and port; None when the header tells none."""


def read_header(data: bytes) -> ProxyHeader | int:
    """The header that `data` is, or how many bytes may be read of it now, at least one: never one of what follows.

    Raises `ProxyHeaderError` as soon as it is clear that it is none.
    """
    if data[: len(SIGNATURE)] == SIGNATURE[: len(data)]:
        return _binary(data) if data else min(_LEAST_LINE.values())
    if data[: len(_LINE)] == _LINE[: len(data)]:
        return _line(data)
    raise ProxyHeaderError("the connection does not begin with a PROXY header")


def _line(data: bytes) -> ProxyHeader | int:
    if len(data) < min(_LEAST_LINE.values()):
        return min(_LEAST_LINE.values()) - len(data)
    kind = data[len(_LINE) : len(_LINE) + 4]
    least = _LEAST_LINE.get(kind)
    if least is None:
        raise ProxyHeaderError("the protocol is none of TCP4, TCP6 and UNKNOWN")
    ended = data.endswith(b"\r\n")
    if b"\r" in data[: -2 if ended else -1] or b"\n" in data[: -1 if ended else None]:
        raise ProxyHeaderError("the line has an end within it")
    if ended:
        return ProxyHeader(_client_of(data[len(_LINE) : -2]))
    if len(data) >= MAX_LINE:
        raise ProxyHeaderError(f"the line is longer than {MAX_LINE} bytes")
    return min(max(least - len(data), 1 if data.endswith(b"\r") else 2), MAX_LINE - len(data))


def _client_of(line: bytes) -> tuple[str, int] | None:
    kind, *fields = line.split(b" ")
    if kind == b"UNKNOWN":
        return None
    try:
        source, destination, source_port, destination_port = (field.decode("ascii") for field in fields)
        version = {b"TCP4": IPv4Address, b"TCP6": IPv6Address}[kind]
        if "%" in source + destination:
            raise ValueError
        version(destination)
        _port(destination_port)
        return str(version(source)), _port(source_port)
    except (KeyError, ValueError) as error:
        raise ProxyHeaderError("the line does not tell two addresses and two ports") from error


def _port(text: str) -> int:
    if not text.isdecimal() or len(text) > 5 or (len(text) > 1 and text[0] == "0") or int(text) > 65535:
        raise ValueError(text)
    return int(text)


def _binary(data: bytes) -> ProxyHeader | int:
    if len(data) < _FIXED:
        # As long as it may still become a line, no more than the shortest one.
        return (min(_LEAST_LINE.values()) if len(data) < len(SIGNATURE) else _FIXED) - len(data)
    command, family = data[12], data[13]
    whole = _FIXED + int.from_bytes(data[14:16])
    if command not in (_LOCAL, _PROXY):
        raise ProxyHeaderError("the version is not 2, or the command neither LOCAL nor PROXY")
    if whole > MAX_HEADER:
        raise ProxyHeaderError(f"the header is longer than {MAX_HEADER} bytes")
    least = 0 if command == _LOCAL else _ADDRESS_BYTES.get(family)
    if least is None:
        raise ProxyHeaderError("the addresses are of no stream over IPv4, IPv6 or a Unix socket")
    if whole < _FIXED + least:
        raise ProxyHeaderError("the header is too short for its addresses")
    if len(data) < whole:
        return whole - len(data)
    if len(data) > whole:
        raise ProxyHeaderError("there is more than a header")
    if command == _LOCAL:
        return ProxyHeader(None)
    if family == _TCP4:
        return ProxyHeader((str(IPv4Address(data[16:20])), int.from_bytes(data[24:26])))
    if family == _TCP6:
        return ProxyHeader((str(IPv6Address(data[16:32])), int.from_bytes(data[48:50])))
    return ProxyHeader(None)
