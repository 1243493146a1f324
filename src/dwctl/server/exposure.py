"""What must hold before the port is opened to other machines. Pure.

On the loopback address anything goes; on any other bind a secret that could be guessed is refused, with the
line to run instead (spec/platform §13.1, S9).
"""

import ipaddress

from dwctl.core.errors import SetupError

MIN_SECRET_KEY = 32
MIN_PASSWORD = 12
_PLACEHOLDERS = (
    "change",
    "placeholder",
    "insecure",
    "secret-key",
    "secret_key",
    "your-",
    "example",
    "hunter2",
    "password",
    "supersecret",
)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def weakness(secret: str, least: int) -> str | None:
    """Why a secret can be guessed, or None."""
    if len(secret) < least:
        return f"it has {len(secret)} characters, at least {least} are needed"
    if len(set(secret)) < 8:
        return "it repeats a few characters"
    lowered = secret.lower()
    for word in _PLACEHOLDERS:
        if word in lowered:
            return f"it contains {word!r}, as placeholders do"
    return None


def require_strong(host: str, *, secret_key: str | None, admin_password: str | None) -> None:
    """Refuse configured secrets that could be guessed when other machines can reach `host`."""
    if is_loopback(host):
        return
    if secret_key is not None and (why := weakness(secret_key, MIN_SECRET_KEY)):
        raise SetupError(
            f"the secret_key is too weak to listen on {host}: {why}. Make one with\n"
            '  export DWCTL_SECRET_KEY="$(openssl rand -hex 32)"\n'
            "or remove the setting: one is then generated into the data directory."
        )
    if admin_password is not None and (why := weakness(admin_password, MIN_PASSWORD)):
        raise SetupError(
            f"the admin_password is too weak to listen on {host}: {why}. Make one with\n"
            '  export DWCTL_ADMIN_PASSWORD="$(openssl rand -base64 18)"\n'
            "or remove the setting: one is then generated and shown once."
        )
