"""Completion windows: within what time a batch, or a queued call, is to be done. Pure."""

import re
from datetime import UTC, datetime, timedelta

_WINDOW = re.compile(r"([1-9][0-9]{0,9})([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LONGEST = 100 * 366 * 86_400
EXPECTED = "a number above 0 and s, m, h or d, such as 24h"
REALTIME = "0s"
"""What the contract calls the window of a call that is not put off."""
FLEX = "1h"
_A_DAY = 86_400


def seconds_of(window: str) -> int | None:
    """Of a window such as `24h`, `90m`, `30s` or `7d`; None for any other text, and above a hundred years."""
    match = _WINDOW.fullmatch(window)
    if match is None:
        return None
    seconds = int(match[1]) * _SECONDS[match[2]]
    return seconds if seconds <= LONGEST else None


def term_of(window: str) -> int | None:
    """Seconds that queued work of this window has: those of the window, and none for what is not put off."""
    return 0 if window == REALTIME else seconds_of(window)


def deadline_of(window: str) -> datetime:
    """When work that is accepted now must be done; raises ValueError for a text that is no window."""
    seconds = term_of(window)
    if seconds is None:
        raise ValueError(f"completion window: expected {EXPECTED}, got '{window}'")
    return datetime.now(UTC) + timedelta(seconds=seconds)


def once_more(window: str, now: float) -> datetime:
    """The deadline of what is retried after its deadline: its window once more; `now` in unix seconds."""
    return datetime.fromtimestamp(now, UTC) + timedelta(seconds=seconds_of(window) or _A_DAY)
