"""How long to wait before a retry (spec/gateway A1.8). Pure."""

from collections.abc import Callable

from dwctl.routing.pool import Backoff, Fallback


def delay(policy: Backoff, retry: int, draw: Callable[[], float]) -> float:
    """Seconds before the retry of this number, counted from 1; `draw` gives numbers from 0 up to 1."""
    if retry <= 0 or policy.initial_ms <= 0:
        return 0.0
    try:
        wait = policy.initial_ms * policy.factor ** (retry - 1)
    except OverflowError:
        wait = policy.max_ms
    wait = min(wait, policy.max_ms) / 1000
    return wait * draw() if policy.jitter == "full" else wait


class Waits:
    """The waits of one call before its retries, one after another, up to what its pool allows of them together."""

    __slots__ = ("_fallback", "_retries", "_total")

    def __init__(self, fallback: Fallback) -> None:
        self._fallback = fallback
        self._retries = 0
        self._total = 0.0

    def next(self, draw: Callable[[], float]) -> float | None:
        """Seconds before the next retry; None when it would wait too long. `draw` gives numbers from 0 up to 1."""
        self._retries += 1
        pause = delay(self._fallback.backoff, self._retries, draw)
        self._total += pause
        most = self._fallback.max_total_backoff_ms
        return None if most is not None and self._total * 1000 > most else pause
