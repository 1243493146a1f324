"""What follows an attempt: done, again at a moment, or failed. Pure.

Tried again is what may go better next time: failures of the model server and of the way to it (500 and above), too much
at once (429), too slow (408), and a model that is not there (404), for it may be on its way. What the request itself or
its account is to blame for fails at once: trying again would cost time and tell nothing new. Waits grow by a factor up
to a limit, and each is drawn between nothing and that, so that a thousand requests that failed together do not come
back together. A server that says when to come back is not asked sooner.
"""

from collections.abc import Callable
from random import SystemRandom

import msgspec

from dwctl.engine.worker_settings import BatchDaemonSettings
from dwctl.requests.queue.structs import AGAIN
from dwctl.requests.queue.windows import term_of
from dwctl.requests.record import State

QUARTER = 0.25
_FAILED = int(State.FAILED)
_MAY_PASS = frozenset({0, 404, 408, 429})
"""0: nobody answered."""
_MOST_POWER = 64


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What follows."""

    verdict: int
    """`AGAIN`, or a terminal state."""
    at: float = 0.0
    """With `AGAIN`: unix seconds, no sooner."""
    denied: bool = False
    """It might have gone better, but there is no time or try left."""


def retriable(status: int) -> bool:
    """Whether a failure of this status may pass."""
    return status >= 500 or status in _MAY_PASS


def margin_of(completion_window: str, margin: float) -> float:
    """Seconds before the deadline at which trying again ends: of a short window at most a quarter."""
    term = term_of(completion_window)
    return margin if term is None else min(margin, term * QUARTER)


class Policy:
    """The rules, with the settings in them."""

    def __init__(self, settings: BatchDaemonSettings, draw: Callable[[], float] | None = None) -> None:
        self._most = settings.max_retries
        self._first = settings.backoff_ms / 1000
        self._factor = settings.backoff_factor
        self._longest = settings.max_backoff_ms / 1000
        self._margin = (settings.stop_before_deadline_ms or 0) / 1000
        self._draw = draw or SystemRandom().random

    def decide(
        self, *, state: int, status: int, retries: int, deadline: float, window: str, now: float, pause: float
    ) -> Verdict:
        """`deadline` and `now` in unix seconds, `pause` in seconds; `retries` are those before this attempt."""
        if state != _FAILED or not retriable(status):
            return Verdict(state)
        at = now + max(0.0, pause) + self.wait(retries)
        spent = self._most is not None and retries >= self._most
        if spent or at >= deadline - margin_of(window, self._margin):
            return Verdict(state, denied=True)
        return Verdict(AGAIN, at)

    def wait(self, retries: int) -> float:
        """Seconds before the next try, after so many."""
        try:
            most = min(self._longest, self._first * self._factor ** min(retries, _MOST_POWER))
        except OverflowError:
            most = self._longest if self._first else 0.0
        return most * self._draw()

    def late(self, window: str, deadline: float, now: float) -> bool:
        """Whether there is no time left to wait for a model that is not there."""
        return now >= deadline - margin_of(window, self._margin)
