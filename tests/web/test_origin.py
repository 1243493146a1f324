"""Which pages of a browser may act with a session."""

import pytest

from dwctl.web.origin import allowed_origin

HOST = {"host": "dwctl.test:3001"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_every_page_may_read(method: str) -> None:
    assert allowed_origin(method, {**HOST, "origin": "https://evil.example"}, ())


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://dwctl.test:3001", True),
        ("https://dwctl.test:3001", True),
        ("https://console.example", True),
        ("http://dwctl.test", False),
        ("http://dwctl.test:3002", False),
        ("https://evil.example", False),
        ("https://console.example.evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_only_known_pages_may_change(method: str, origin: str | None, allowed: bool) -> None:
    headers = HOST if origin is None else {**HOST, "origin": origin}
    assert allowed_origin(method, headers, {"https://console.example"}) is allowed


def test_a_missing_host_matches_nothing() -> None:
    assert not allowed_origin("POST", {"origin": "null"}, ())
