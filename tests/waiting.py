"""Waiting for what nothing tells: a condition, asked again and again until a deadline."""

import threading
import time
from collections.abc import Callable

DEADLINE = 30.0


def until(condition: Callable[[], bool], what: str, deadline: float = DEADLINE) -> None:
    """Wait until it holds; `what` is for the one who reads why it did not."""
    end = time.monotonic() + deadline
    pause = threading.Event()
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what}")
        pause.wait(0.02)
