"""The seam through which the engine sees how interactive calls fare: who looks on implements it, the gateway tells.

The gateway's own `onlooker` is None as long as no queued work is about. Queued requests are never told of.
"""

from typing import Protocol

from dwctl.requests.record import Record


class Onlooker(Protocol):
    """Called on the path of calls: none may wait or raise."""

    def began(self, record: Record) -> None:
        """A call was admitted."""
        ...

    def first(self, record: Record) -> None:
        """The first of its answer has come, and more is to come."""
        ...

    def refused(self, ident: str, status: int) -> None:
        """A model server answered the call of this record so, and another one is tried."""
        ...

    def ended(self, record: Record) -> None:
        """It is recorded."""
        ...
