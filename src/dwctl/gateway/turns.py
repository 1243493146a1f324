"""What the attempts of one call to a pool take of the limits of their targets and endpoints, one after another.

A failed attempt has ended when the next target is looked for: what it held is given back first, so that a call never
stands in its own way. The last attempt's is given back with the call's own when the record ends, with its tokens.
"""

from dwctl.routing.choice import Verdict
from dwctl.routing.limit_book import LimitBook, Slot
from dwctl.routing.limits import Kind
from dwctl.routing.snapshot import Target
from dwctl.routing.tally import Refusal


class Turns:
    """One for each call; implements `Limits` of the choice, and what `Gate` keeps of a call."""

    __slots__ = ("_attempt", "_book", "_call", "_ended", "refusal")

    def __init__(self, book: LimitBook, call: Slot | None) -> None:
        self._book = book
        self._call = call
        """What the call has taken of its model and key."""
        self._attempt: Slot | None = None
        self._ended = False
        self.refusal: Refusal | None = None
        """Why the last target that could not be taken was refused."""

    def __call__(self, target: Target, _active: int, /) -> Verdict:
        """Take a target for the next attempt; the one before has ended."""
        if self._ended:
            # Nobody would give it back.
            return Verdict.FULL
        before, self._attempt = self._attempt, None
        if before is not None:
            before.release()
        slot = self._book.take(target)
        if isinstance(slot, Refusal):
            self.refusal = slot
            return Verdict.FULL if slot.kind is Kind.CONCURRENCY else Verdict.LIMITED
        self._attempt = slot
        return Verdict.FREE

    def release(self, tokens: int | None = None) -> None:
        """The call has ended; its tokens are those of the last attempt."""
        self._ended = True
        for slot in (self._call, self._attempt):
            if slot is not None:
                slot.release(tokens)

    def undo(self) -> None:
        """The call did not take place."""
        self._ended = True
        for slot in (self._call, self._attempt):
            if slot is not None:
                slot.undo()
