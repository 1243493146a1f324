"""Stretches of time around now, as autoscalers name them. Pure."""

import re
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from dwctl.core.errors import BadRequest

MOST = 50
"""Windows of one question."""
FURTHEST_BACK = 7 * 86_400
"""What has ended is looked for in rows: no further back than they are many."""
LONGEST = 100 * 366 * 86_400
_OFFSET = re.compile(r"(-?)([0-9]{1,10})([smh])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_EXPECTED = (
    "expected one or several of <end> or <start>:<end>, with a comma between, each a number and s, m or h "
    "from now, such as 1h,24h or -1h:0s"
)


class Window(msgspec.Struct, frozen=True):
    """From its start on and before its end, both from now."""

    label: str
    """As it was asked for."""
    start: timedelta | None
    """None: everything that is overdue, too."""
    end: timedelta

    @property
    def past(self) -> tuple[timedelta, timedelta] | None:
        """The part of it that is over, where it says so."""
        if self.start is None or self.start >= timedelta():
            return None
        return self.start, min(self.end, timedelta())


def windows_of(text: str | None) -> Sequence[Window]:
    """The windows of a question, each once, in their order."""
    labels = dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip())
    if not labels:
        raise BadRequest(f"window: {_EXPECTED}")
    if len(labels) > MOST:
        raise BadRequest(f"window: expected at most {MOST}, got {len(labels)}")
    return [_window(label) for label in labels]


def _window(label: str) -> Window:
    first, colon, second = label.partition(":")
    if not colon:
        end = _offset(label, first)
        return Window(label, None, end) if end >= timedelta() else Window(label, end, timedelta())
    start, end = _offset(label, first), _offset(label, second)
    if start >= end:
        raise BadRequest(f"window: expected a start before its end, got {label[:100]!r}")
    return Window(label, start, end)


def _offset(label: str, text: str) -> timedelta:
    match = _OFFSET.fullmatch(text.strip())
    if match is None:
        raise BadRequest(f"window: {_EXPECTED}; got {label[:100]!r}")
    seconds = int(match[2]) * _SECONDS[match[3]]
    if seconds > (FURTHEST_BACK if match[1] else LONGEST):
        raise BadRequest(f"window: expected at most 168h back and 100 years ahead, got {label[:100]!r}")
    return timedelta(seconds=-seconds if match[1] else seconds)
