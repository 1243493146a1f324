"""Figures of work."""

from datetime import datetime
from typing import Literal

import msgspec

Outcome = Literal["completed", "failed"]


class Depth(msgspec.Struct, frozen=True):
    """What is due of a model at a moment."""

    model: str
    tier: str
    """`batch`, `flex`, `background`, or `priority` for what is never queued."""
    deadline: datetime
    requests: int


class Ended(msgspec.Struct, frozen=True):
    """What has ended of a model in a stretch of time."""

    model: str
    tier: str
    outcome: str
    requests: int
