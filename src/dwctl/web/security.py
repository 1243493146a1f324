"""Headers that every answer of the application carries."""

from typing import Any

from litestar.response import Response

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


async def security_headers(response: Response[Any]) -> Response[Any]:
    """Add them, keeping what a page set itself."""
    for name, value in ALWAYS.items():
        response.headers.setdefault(name, value)
    return response
