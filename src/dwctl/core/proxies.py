"""HTTP proxies on the way to other servers: which ones there are, and for whom. Pure.

As curl reads the environment: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in lower case first. Unlike
curl, a proxy of the environment is not asked for this machine: it was meant for what lies outside, and could not reach
it.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import unquote, urlsplit

import msgspec

from dwctl.core.errors import SetupError
from dwctl.core.networks import Networks, parse_address, parse_network

DIRECT = "direct"
"""The setting that wants no proxy, whatever the environment says."""
SETTING = "gateway.upstream.proxy"
THIS_MACHINE = ("localhost", "127.0.0.0/8", "::1")


class Proxy(msgspec.Struct, frozen=True):
    """One that is reached over plain TCP."""

    url: str
    host: str
    port: int
    authorization: str | None = None
    """Value of `Proxy-Authorization`."""

    @property
    def name(self) -> str:
        """To be told: without its credentials."""
        return f"{self.host}:{self.port}"


class Exempt:
    """Servers that are called directly: hosts with all below them, addresses, networks, each perhaps with a port."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._all = False
        self._hosts: set[tuple[str, int | None]] = set()
        networks = []
        for entry in entries:
            if entry == "*":
                self._all = True
                continue
            try:
                networks.append(parse_network(entry.strip("[]")))
            except ValueError:
                host, port = _split(entry)
                self._hosts.add((host, port))
        self._networks = Networks(networks)

    def __contains__(self, server: tuple[str, int]) -> bool:
        host, port = server
        host = host.rstrip(".").lower()
        if self._all:
            return True
        address = parse_address(host)
        if address is not None and address in self._networks:
            return True
        while host:
            if (host, None) in self._hosts or (host, port) in self._hosts:
                return True
            if address is not None:
                return False
            host = host.partition(".")[2]
        return False


class Proxies:
    """Which proxy a call takes, if any."""

    def __init__(self, by_scheme: Mapping[str, Proxy] | None = None, exempt: Iterable[str] = ()) -> None:
        self._by_scheme = dict(by_scheme or {})
        self._exempt = Exempt(exempt)

    def way(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy to a server; None: directly."""
        proxy = self._by_scheme.get(scheme)
        return None if proxy is None or (host, port) in self._exempt else proxy


def read_proxies(proxy: str | None, no_proxy: Sequence[str] | None, environ: Mapping[str, str]) -> Proxies:
    """From the settings; what they leave open is as in the environment. Raises `SetupError`."""
    if no_proxy is None:
        no_proxy = _variable(environ, "NO_PROXY")[1].replace(",", " ").split()
    if proxy == DIRECT:
        return Proxies()
    found = {}
    for scheme in ("http", "https"):
        name, url = SETTING, proxy or ""
        if proxy is None:
            name, url = _variable(environ, f"{scheme.upper()}_PROXY", "ALL_PROXY")
        if url:
            found[scheme] = parse_proxy(name, url)
    return Proxies(found, (*no_proxy, *THIS_MACHINE) if proxy is None else no_proxy)


def parse_proxy(name: str, text: str) -> Proxy:
    """From `http://user:password@host:port`, the scheme may be left out; `name` is whom an error names."""
    text = text.strip()
    url = text if "://" in text else f"http://{text}"
    wrong = (
        f"{name}: expected the address of an HTTP proxy such as http://proxy.example:3128, or {SETTING} to be "
        f"'{DIRECT}'"
    )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 80
    except ValueError as error:
        raise SetupError(f"{wrong}: {error}") from error
    if parts.scheme != "http":
        raise SetupError(f"{wrong}; proxies of the kind {parts.scheme}:// are not there yet")
    if not host or parts.path.strip("/") or parts.query or parts.fragment or not url.isascii():
        raise SetupError(wrong)
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {b64encode(pair.encode()).decode()}"
    return Proxy(url, host, port, authorization)


def _variable(environ: Mapping[str, str], *names: str) -> tuple[str, str]:
    """The first of several variables that says something, and its value."""
    for name in names:
        for spelled in (name.lower(), name):
            if environ.get(spelled, "").strip():
                return spelled, environ[spelled]
    return names[0], ""


def _split(entry: str) -> tuple[str, int | None]:
    """Host and port of an entry such as `.example.com:8080` or `*.example.com`."""
    host, colon, port = entry.rpartition(":")
    if not colon or not port.isdecimal():
        host, port = entry, ""
    host = host.strip("[]").removeprefix("*").strip(".").lower()
    return host, int(port) if port else None
