"""Whether a browser's request with a session may act (a second lock beside SameSite cookies). Pure."""

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def allowed_origin(method: str, headers: Mapping[str, str], allowed: Collection[str]) -> bool:
    """Reading is always allowed; changing only from our own pages, a configured origin, or no browser at all."""
    origin = headers.get("origin")
    if method in SAFE or origin is None:
        return True
    return origin in allowed or urlsplit(origin).netloc == headers.get("host")
