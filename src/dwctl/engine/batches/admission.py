"""Whether the models can do what a batch asks for within its window (spec/platform §7.6). Pure.

What is promised of a model within the window, and the batch's requests for it, may together be what the model does in
that time by its `throughput`, times the window's factor: 0 takes nothing, more than 1 promises more than there is.
"""

from collections.abc import Iterable, Mapping

from dwctl.core.errors import TooManyRequests

RETRY_AFTER = 60.0
_SHOWN = 5


def room(throughput: float, seconds: int, factor: float) -> int:
    """Requests that fit into a window in all."""
    return int(max(0.0, throughput) * seconds * max(0.0, factor))


def admit(
    window: str, wanted: Mapping[str, int], promised: Mapping[str, int], rooms: Mapping[str, int]
) -> None:
    """Raise the contract's 429 for what does not fit; each is by model."""
    short = [
        (model, lines, max(0, rooms[model] - promised.get(model, 0)))
        for model, lines in sorted(wanted.items())
        if promised.get(model, 0) + lines > rooms[model]
    ]
    if short:
        raise TooManyRequests(
            f"Insufficient capacity for {window} completion window: {_told(short)}. "
            "Try again later, with fewer requests, or with a longer window.",
            RETRY_AFTER,
        )


def _told(short: Iterable[tuple[str, int, int]]) -> str:
    parts = [f"{model} has room for {left} of {lines} requests" for model, lines, left in short]
    more = len(parts) - _SHOWN
    return "; ".join(parts[:_SHOWN]) + (f"; and {more} more models" if more > 0 else "")
