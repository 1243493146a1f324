"""Completion windows: how long queued work may take, as text such as `24h`. Pure."""

import re
from datetime import UTC, datetime, timedelta

REALTIME = "0s"
FLEX = "1h"
_WINDOW = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
MOST = timedelta(days=36_525)
"""A hundred years."""


def window_of(text: str) -> timedelta | None:
    """The duration of `<n>s`, `<n>m`, `<n>h` or `<n>d`; None when it is none, or above `MOST`."""
    found = _WINDOW.fullmatch(text)
    if found is None:
        return None
    window = timedelta(**{_UNITS[found[2]]: int(found[1])})
    return None if window > MOST else window


def deadline_of(text: str, now: datetime | None = None) -> datetime:
    """When work accepted now must be done; raises ValueError for a text that is no window."""
    window = window_of(text)
    if window is None:
        raise ValueError(f"completion window: expected a duration such as '24h', got '{text}'")
    return (now or datetime.now(UTC)) + window
