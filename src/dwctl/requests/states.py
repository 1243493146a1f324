"""How the state of a request moves: decided here for records in memory, and by the same rule in queries.sql.

Within an attempt the rank only rises: pending, claimed, processing, then one terminal state, and the first one
stays. A larger attempt replaces a smaller one unless the request is completed or canceled: those are final.
"""

from typing import Protocol

from dwctl.requests.frames import Entry
from dwctl.requests.record import State

TERMINAL_RANK = 3


class Standing(Protocol):
    """Where a request stands."""

    @property
    def attempt(self) -> int:
        """Which try, from 1."""
        ...

    @property
    def state(self) -> int:
        """A `State`."""
        ...


def rank(state: int) -> int:
    """Order of states within an attempt; the three terminal ones are equal."""
    return min(state, TERMINAL_RANK)


def is_final(state: int) -> bool:
    """Whether nothing can change it any more."""
    return state in (State.COMPLETED, State.CANCELED)


def supersedes(new: Standing, old: Standing) -> bool:
    """Whether a new record changes a row that stands so."""
    if is_final(old.state):
        return False
    if new.attempt != old.attempt:
        return new.attempt > old.attempt
    return rank(new.state) > rank(old.state)


def newest(before: Entry, entry: Entry) -> Entry:
    """Which of two records of one request stays."""
    return entry if supersedes(entry, before) else before
