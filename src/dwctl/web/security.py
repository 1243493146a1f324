"""Headers that every answer of the application carries."""

from typing import Any

from litestar.response import Response

_ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}
_POLICY = "default-src 'none'; frame-ancestors 'none'"


async def security_headers(response: Response[Any]) -> Response[Any]:
    """Add them, keeping what a page set itself."""
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("content-security-policy", _POLICY)
    response.headers.setdefault("cache-control", "no-store")
    return response
