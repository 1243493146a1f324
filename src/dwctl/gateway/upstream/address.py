"""Where a model server is."""

from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit


class Address(NamedTuple):
    """Scheme, host and port."""

    scheme: str
    host: str
    port: int


def split_url(url: str) -> tuple[Address, SplitResult]:
    """The origin of a base URL, and its parts. Raises ValueError for a port that is none."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Address(parts.scheme, parts.hostname or "", port), parts
