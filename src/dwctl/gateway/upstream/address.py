"""Where a model server is."""

from functools import lru_cache
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
    return _address(parts.scheme, parts.hostname or "", port), parts


@lru_cache(maxsize=1024)
def _address(scheme: str, host: str, port: int) -> Address:
    """The same object for the same origin, which is quick to tell (`UpstreamClient.submit`)."""
    return Address(scheme, host, port)
