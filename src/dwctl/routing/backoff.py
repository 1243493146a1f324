"""How long to wait before a retry. Pure."""

from collections.abc import Callable

from dwctl.routing.pool import Backoff


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
