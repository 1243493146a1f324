"""Which proxy a call takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.errors import SetupError
from dwctl.core.proxies import Exempt, parse_proxy, read_proxies

FIRST, SECOND = "http://first.example:3128", "http://second.example:3129"


def way(
    url: str, environ: dict[str, str], proxy: str | None = None, no_proxy: list[str] | None = None
) -> str:
    """The host of the proxy to a server, or nothing."""
    scheme, _, host = url.partition("://")
    found = read_proxies(proxy, no_proxy, environ).way(scheme, host, 443 if scheme == "https" else 80)
    return "" if found is None else found.host.partition(".")[0]


@pytest.mark.parametrize(
    ("environ", "http", "https"),
    [
        ({}, "", ""),
        ({"HTTP_PROXY": FIRST}, "first", ""),
        ({"HTTPS_PROXY": FIRST}, "", "first"),
        ({"ALL_PROXY": FIRST}, "first", "first"),
        ({"all_proxy": FIRST, "https_proxy": SECOND}, "first", "second"),
        ({"HTTP_PROXY": FIRST, "http_proxy": SECOND}, "second", ""),
        ({"HTTP_PROXY": FIRST, "http_proxy": ""}, "first", ""),
        ({"HTTPS_PROXY": "first.example:3128"}, "", "first"),
        ({"ALL_PROXY": FIRST, "NO_PROXY": "up"}, "", ""),
        ({"ALL_PROXY": FIRST, "NO_PROXY": "up", "no_proxy": "other"}, "first", "first"),
        ({"ALL_PROXY": FIRST, "NO_PROXY": "up:80"}, "", "first"),
        ({"ALL_PROXY": FIRST, "NO_PROXY": "*"}, "", ""),
    ],
)
def test_the_environment_decides(environ: dict[str, str], http: str, https: str) -> None:
    assert way("http://up", environ) == http
    assert way("https://up", environ) == https


def test_settings_go_before_the_environment() -> None:
    environ = {"ALL_PROXY": FIRST, "NO_PROXY": "up"}
    assert way("http://up", environ, SECOND) == ""
    assert way("http://up", environ, SECOND, []) == "second"
    assert way("http://up", environ, None, []) == "first"
    assert way("https://there", environ, "direct") == ""
    assert way("https://there", environ, SECOND, ["there"]) == ""


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(host: str) -> None:
    assert way(f"http://{host}", {"ALL_PROXY": FIRST}) == ""
    assert way(f"http://{host}", {"ALL_PROXY": FIRST}, None, []) == ""
    assert way(f"http://{host}", {}, SECOND) == "second"
    assert way(f"http://{host}", {}, SECOND, ["localhost", "127.0.0.0/8", "::1"]) == ""


@pytest.mark.parametrize(
    ("entry", "inside", "outside"),
    [
        ("example.com", ["example.com", "a.example.com", "A.B.Example.Com."], ["badexample.com", "com"]),
        (".example.com", ["example.com", "a.example.com"], ["badexample.com"]),
        ("*.example.com", ["a.example.com"], ["badexample.com"]),
        ("10.0.0.0/8", ["10.1.2.3"], ["11.0.0.1", "ten.example"]),
        ("127.0.0.1", ["127.0.0.1"], ["127.0.0.2", "localhost"]),
        ("::1", ["::1"], ["::2"]),
        ("[::1]", ["::1"], ["::2"]),
        ("[::1]:8000", ["::1"], ["::2"]),
        ("example.com:8000", ["example.com"], ["example.org"]),
    ],
)
def test_who_is_exempt(entry: str, inside: list[str], outside: list[str]) -> None:
    exempt = Exempt([entry])
    assert [host for host in inside if (host, 8000) not in exempt] == []
    assert [host for host in outside if (host, 8000) in exempt] == []


def test_a_port_must_be_the_one_that_is_named() -> None:
    assert ("example.com", 8001) not in Exempt(["example.com:8000"])


@given(st.lists(st.text(alphabet="abc.:*/0123456789[]", max_size=12)), st.text(max_size=12))
def test_no_entry_breaks_it(entries: list[str], host: str) -> None:
    assert isinstance((host, 80) in Exempt(entries), bool)


def test_credentials_are_shown_to_the_proxy_and_nowhere_else() -> None:
    proxy = parse_proxy("HTTP_PROXY", "http://us%40er:p%3Aw@proxy.example:3128/")
    assert (proxy.host, proxy.port, proxy.name) == ("proxy.example", 3128, "proxy.example:3128")
    assert proxy.authorization == "Basic dXNAZXI6cDp3"
    assert parse_proxy("HTTP_PROXY", "proxy.example").port == 80


@pytest.mark.parametrize(
    "url",
    ["https://proxy:1", "socks5://proxy:1", "http://", "http://proxy:x", "http://proxy/path", "http://[::1"],
)
def test_what_is_no_proxy_is_named_by_its_variable(url: str) -> None:
    with pytest.raises(SetupError, match=r"^https_proxy: expected the address of an HTTP proxy"):
        read_proxies(None, None, {"https_proxy": url})
    with pytest.raises(SetupError, match=r"^gateway\.upstream\.proxy: expected"):
        read_proxies(url, None, {})
