"""Secrets that could be guessed are refused as soon as other machines can reach the port."""

import pytest

from dwctl.core.errors import SetupError
from dwctl.server.exposure import is_loopback, require_strong, weakness

STRONG_KEY = "9f2b61d8c07a4e35b1d2f6a89c3e7710"
STRONG_PASSWORD = "tRq8-w2Zk-0LmX"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_loopback_hosts(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", "", "127.0.0.1.evil"])
def test_hosts_that_others_reach(host: str) -> None:
    assert not is_loopback(host)


def test_loopback_accepts_anything() -> None:
    require_strong("127.0.0.1", secret_key="x", admin_password="hunter2")


def test_strong_secrets_pass_everywhere() -> None:
    require_strong("0.0.0.0", secret_key=STRONG_KEY, admin_password=STRONG_PASSWORD)
    require_strong("0.0.0.0", secret_key=None, admin_password=None)


@pytest.mark.parametrize(
    ("secret_key", "names"),
    [
        (STRONG_KEY[:31], "31 characters"),
        ("change-me-9f2b61d8c07a4e35b1d2f6a89c3e7710", "placeholder"),
        ("abababababababababababababababababab", "repeats"),
    ],
)
def test_weak_secret_key_is_refused_with_the_line_to_run(secret_key: str, names: str) -> None:
    with pytest.raises(SetupError, match=names) as refusal:
        require_strong("0.0.0.0", secret_key=secret_key, admin_password=None)
    assert "openssl rand -hex 32" in str(refusal.value)
    assert secret_key not in str(refusal.value)


@pytest.mark.parametrize("password", ["hunter2", "short-one", "password-password-1"])
def test_weak_password_is_refused_with_the_line_to_run(password: str) -> None:
    with pytest.raises(SetupError, match="admin_password") as refusal:
        require_strong("::", secret_key=STRONG_KEY, admin_password=password)
    assert "DWCTL_ADMIN_PASSWORD" in str(refusal.value)


def test_weakness_tells_the_boundary() -> None:
    assert weakness("qwertzuiopa", 12) is not None
    assert weakness("qwertzuiopas", 12) is None
