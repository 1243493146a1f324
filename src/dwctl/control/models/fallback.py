"""Fallback and announced headers of models: what is sent, what it may be (spec/platform §4.3, gateway A1.10). Pure.

`fallback.backoff`, `fallback.retry_budget` and `response_headers` are additions to the contract.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from dwctl.core.errors import BadRequest
from dwctl.routing.pool import Backoff, Fallback, RetryBudget, expand
from dwctl.web.body import Body

MAX_ATTEMPTS = 100
MAX_MS = 3_600_000
MAX_FACTOR = 100
MAX_RATIO = 100
MAX_RATE = 1_000_000
MAX_HEADERS = 32
MAX_HEADER_VALUE = 1024
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")
_OURS = frozenset(
    {
        # how the answer is framed and read, and what the gateway itself says
        "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "keep-alive",
        "te", "trailer", "upgrade", "date", "x-request-id", "set-cookie",
    }
)  # fmt: skip
_OUR_PREFIXES = ("x-onwards-", "x-fusillade-", "x-dwctl-", "access-control-")


class BackoffChange(Body, kw_only=True):
    """Milliseconds before the first retry and at most, growth from one to the next, and whether a random part of it."""

    initial_ms: float | UnsetType = UNSET
    max_ms: float | UnsetType = UNSET
    factor: float | UnsetType = UNSET
    jitter: Literal["full", "none"] | UnsetType = UNSET


class RetryBudgetChange(Body, kw_only=True):
    """Retries earned by each call and by each second, and how many of them are kept."""

    ratio: float | UnsetType = UNSET
    min_per_second: float | UnsetType = UNSET
    burst: int | UnsetType = UNSET


class FallbackChange(Body, kw_only=True):
    """What is absent stays, or has its default in a new model; null is the default."""

    enabled: bool | UnsetType = UNSET
    on_rate_limit: bool | UnsetType = UNSET
    on_status: list[int] | UnsetType | None = UNSET
    with_replacement: bool | UnsetType = UNSET
    max_attempts: int | UnsetType | None = UNSET
    backoff: BackoffChange | UnsetType | None = UNSET
    max_total_backoff_ms: float | UnsetType | None = UNSET
    retry_budget: RetryBudgetChange | UnsetType | None = UNSET


def changed(current: Fallback, change: FallbackChange | UnsetType | None) -> Fallback:
    """The fallback after a change. Raises `BadRequest` for what it cannot be."""
    if isinstance(change, UnsetType):
        return current
    if change is None:
        return Fallback()
    given = _given(change)
    if "on_status" in given:
        statuses = given["on_status"]
        given["on_status"] = Fallback().on_status if statuses is None else tuple(statuses)
    if "backoff" in given:
        given["backoff"] = _inner(current.backoff, Backoff(), given["backoff"])
    if "retry_budget" in given:
        given["retry_budget"] = _inner(current.retry_budget, RetryBudget(), given["retry_budget"])
    fallback = msgspec.structs.replace(current, **given)
    _check(fallback)
    return fallback


def checked_headers(headers: Mapping[str, str] | None) -> dict[str, str] | None:
    """Headers that a model may announce. Raises `BadRequest` for one that it may not."""
    if not headers:
        return None
    if len(headers) > MAX_HEADERS:
        raise BadRequest(f"response_headers: expected at most {MAX_HEADERS} headers, got {len(headers)}")
    if len({name.lower() for name in headers}) < len(headers):
        raise BadRequest("response_headers: expected each name once, whatever its case")
    for name, value in headers.items():
        if _NAME.fullmatch(name) is None:
            raise BadRequest(f"response_headers: expected the name of a header, got '{name}'")
        if name.lower() in _OURS or name.lower().startswith(_OUR_PREFIXES):
            raise BadRequest(f"response_headers: '{name}' is set by the gateway itself")
        if len(value) > MAX_HEADER_VALUE or _VALUE.fullmatch(value) is None:
            raise BadRequest(
                f"response_headers.{name}: expected 1 to {MAX_HEADER_VALUE} printable ASCII characters"
            )
    return dict(headers)


def _given(change: Body) -> dict[str, Any]:
    values = {name: getattr(change, name) for name in change.__struct_fields__}
    return {name: value for name, value in values.items() if not isinstance(value, UnsetType)}


def _inner(current: msgspec.Struct, default: msgspec.Struct, change: Body | None) -> msgspec.Struct:
    return default if change is None else msgspec.structs.replace(current, **_given(change))


def _check(fallback: Fallback) -> None:
    for pattern in fallback.on_status:
        if min(expand((pattern,)), default=0) < 400:
            raise BadRequest(
                "fallback.on_status: expected statuses from 400 to 599, their first two digits or their first one, "
                f"got {pattern}"
            )
    if fallback.max_attempts is not None:
        _within("max_attempts", fallback.max_attempts, 1, MAX_ATTEMPTS)
    backoff, budget = fallback.backoff, fallback.retry_budget
    _within("backoff.initial_ms", backoff.initial_ms, 0, MAX_MS)
    _within("backoff.max_ms", backoff.max_ms, 0, MAX_MS)
    _within("backoff.factor", backoff.factor, 1, MAX_FACTOR)
    if fallback.max_total_backoff_ms is not None:
        _within("max_total_backoff_ms", fallback.max_total_backoff_ms, 0, MAX_MS)
    _within("retry_budget.ratio", budget.ratio, 0, MAX_RATIO)
    _within("retry_budget.min_per_second", budget.min_per_second, 0, MAX_RATE)
    _within("retry_budget.burst", budget.burst, 0, MAX_RATE)


def _within(field: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise BadRequest(f"fallback.{field}: expected a number from {least} to {most}, got {value}")
