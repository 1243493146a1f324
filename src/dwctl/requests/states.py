"""How the state of a request moves: decided here for records in memory, and by the same rule in queries.sql.

Within an attempt the rank only rises: pending, claimed, processing, then one terminal state, and the first one
stays. A larger attempt replaces a smaller one unless the request is completed or canceled: those are final.
"""

from typing import Final, Protocol

from dwctl.requests.record import State

TERMINAL: Final = 3
"""From here on a state is an end; the three ends are of equal rank, so that the first one stays."""
_FINAL: Final = int(State.COMPLETED)
"""A plain number is compared in a quarter of the time; this is asked for every call."""


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


def supersedes(new: Standing, old: Standing) -> bool:
    """Whether a new record changes a row that stands so."""
    before = old.state
    if before >= _FINAL:
        return False
    if new.attempt != old.attempt:
        return new.attempt > old.attempt
    return before < TERMINAL and new.state > before
