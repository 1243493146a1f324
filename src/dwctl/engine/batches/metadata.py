"""What people may write on a batch (spec/platform §8.4). Pure.

Keys that the product sets itself are left out without a word, as clients send back what they were shown.
"""

from collections.abc import Mapping
from typing import Any

from dwctl.core.errors import BadRequest

RESERVED = frozenset({"created_by_email", "context_name", "context_type", "request_source", "created_by"})
HIDDEN = "dw_"
MOST_BYTES = 64 * 1024


def kept(given: Mapping[str, Any] | None) -> dict[str, str]:
    """What is stored; raises when a value is no string."""
    found = {}
    for key, value in (given or {}).items():
        if not isinstance(value, str):
            name = type(value).__name__.replace("NoneType", "null")
            raise BadRequest(
                f"Invalid type for 'metadata.{key}': expected a string, got {name}",
                param=f"metadata.{key}",
                code="invalid_type",
            )
        if key not in RESERVED and not key.startswith(HIDDEN):
            found[key] = value
    size = sum(len(key.encode()) + len(value.encode()) for key, value in found.items())
    if size > MOST_BYTES:
        raise BadRequest(f"metadata: expected at most {MOST_BYTES} bytes, got {size}", param="metadata")
    return found
