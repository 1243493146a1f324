"""A claimed request, as the worker knows it."""

from collections.abc import Callable

from dwctl.engine.responses.logged_call import LoggedCall
from dwctl.requests.queue.structs import Claimed, Lane


class Run:
    """A claimed request until it has ended."""

    __slots__ = ("cancel", "canceled", "claimed", "forsaken", "lane", "log", "over")

    def __init__(self, lane: Lane, claimed: Claimed) -> None:
        self.lane = lane
        self.claimed = claimed
        self.cancel: Callable[[], None] | None = None
        """Ends it early; None before it is begun."""
        self.canceled = False
        self.forsaken = False
        """The process ends: whatever comes of it, it is for others."""
        self.over = False
        """It takes no place any more."""
        self.log: LoggedCall | None = None
        """Where its events go, if they are kept."""
