"""Limits in bodies and answers of the admin API: their fields, and what may stand in them (spec/platform §1.4, §4.2).

Null does not limit. A burst limits nothing without requests per second; it may be set first.
"""

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.core.errors import BadRequest

MIN_RATE, MAX_RATE = 0.001, 1e6
MAX_BURST = 1_000_000
MAX_REQUESTS = 1_000_000_000
MAX_TOKENS = 1_000_000_000_000
MAX_CALLS = 1_000_000

_MOST = {
    "burst_size": MAX_BURST,
    "requests_per_minute": MAX_REQUESTS,
    "tokens_per_minute": MAX_TOKENS,
    "max_concurrent": MAX_CALLS,
    "capacity": MAX_CALLS,
    "batch_capacity": MAX_CALLS,
}
_RATES = ("requests_per_second", "throughput")


class EndpointLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Of an endpoint: of all calls that go there."""

    requests_per_second: float | None = None
    burst_size: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrent: int | None = None


class ModelLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Of a model; `batch_capacity` and `throughput` are for queued work."""

    requests_per_second: float | None = None
    burst_size: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    capacity: int | None = None
    batch_capacity: int | None = None
    throughput: float | None = None


def limits_in(body: msgspec.Struct) -> dict[str, float | None]:
    """The limits that a body sets, checked; raises 400 naming the field."""
    found: dict[str, float | None] = {}
    for name in (*_RATES, *_MOST):
        value: float | UnsetType | None = getattr(body, name, UNSET)
        if isinstance(value, UnsetType):
            continue
        if value is not None:
            _check(name, value)
        found[name] = value
    return found


def _check(name: str, value: float) -> None:
    if name in _RATES:
        if not MIN_RATE <= value <= MAX_RATE:
            raise BadRequest(f"{name}: expected from {MIN_RATE:g} to {MAX_RATE:g}, got {value:g}")
    elif not 1 <= value <= _MOST[name]:
        raise BadRequest(f"{name}: expected from 1 to {_MOST[name]}, got {value}")
