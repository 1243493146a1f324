"""One attempt at a call whose events are kept: from the model server's stream to pieces that can be committed."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import UUID

from dwctl.requests.events.numbering import FIRST, Numbering
from dwctl.requests.events.store import Piece
from dwctl.requests.events.unfolding import unfolded
from dwctl.requests.store import StoredRequest

logger = logging.getLogger(__name__)

PIECE = 16 * 1024
"""Bytes from which on a piece is complete."""
BEHIND = 64 * 1024
"""Bytes of one call that wait to be committed, above which no more of it is read."""


class Log(Protocol):
    """Who commits what it gathers."""

    most: int
    """Bytes that the log of one call has at most."""

    def gathered(self, call: "LoggedCall") -> None:
        """There is one event more to commit."""
        ...

    def filled(self) -> None:
        """The log of a call has become too large."""
        ...

    def hurry(self) -> None:
        """A call is not read any further until what it has gathered is committed."""
        ...


class LoggedCall:
    """Implements `Tap`. What is committed is taken with `take`, then `committed`."""

    __slots__ = (
        "_first", "_log", "_numbering", "_open", "_open_size", "_paused", "_pieces", "attempt", "flying", "id", "kept",
        "on_writable", "over", "shown", "then", "waiting",
    )  # fmt: skip

    def __init__(self, log: Log, request_id: UUID, attempt: int, known: Mapping[str, Any]) -> None:
        self.id = request_id
        self.attempt = attempt
        self.on_writable: Callable[[bool], None] | None = None
        self.kept = 0
        """Bytes of its log."""
        self.waiting = 0
        """Those that are not committed."""
        self.flying = 0
        """Those that are being committed."""
        self.shown = False
        """Whether something was committed, or may be by now."""
        self.over = False
        """Whether nothing more is kept: the log is full, or the call has ended or is lost."""
        self.then: Callable[[], None] | None = None
        """What waits for everything to be committed."""
        self._log = log
        self._numbering = Numbering(known)
        self._pieces: list[Piece] = []
        self._open: list[bytes] = []
        self._open_size = 0
        self._first = FIRST
        """The number of the first event in `_open`."""
        self._paused = False

    @property
    def some(self) -> bool:
        """Whether there have been events."""
        return self._numbering.next > FIRST

    def feed(self, events: bytes) -> None:
        """Whole events of the answer."""
        if self.over:
            return
        shown = self._numbering.feed(events)
        # The numbers are given out again one by one, as far as they are kept.
        self._numbering.next -= len(shown)
        for each in shown:
            self._add(each)

    def unfold(self, row: StoredRequest) -> None:
        """Events of an answer that came whole."""
        for each in unfolded(row, FIRST):
            self._add(each)

    def take(self) -> list[Piece]:
        """Everything that waits, to be committed now."""
        self._close()
        pieces, self._pieces = self._pieces, []
        self.flying = self.waiting
        self.shown = self.shown or bool(pieces)
        return pieces

    def committed(self) -> None:
        """What was taken is."""
        self.waiting -= self.flying
        self.flying = 0
        if self._paused and self.waiting <= BEHIND:
            self._pause(False)

    def drop(self) -> None:
        """Whatever has not been taken is forgotten, and nothing more is kept."""
        self.over = True
        self.waiting = self.flying
        self._pieces, self._open, self._open_size = [], [], 0
        if self._paused:
            self._pause(False)

    def _add(self, event: bytes) -> None:
        """The next event, which has its number in it."""
        if self.over:
            return
        if self.kept + len(event) > self._log.most:
            # The last event of the log still comes, under this number, and has the whole answer.
            self.over = True
            self._log.filled()
            logger.warning("resp_%s: events above %d bytes are not kept", self.id, self._log.most)
            return
        self._numbering.next += 1
        self._open.append(event)
        self._open_size += len(event)
        self.kept += len(event)
        self.waiting += len(event)
        if self._open_size >= PIECE:
            self._close()
        if self.waiting > BEHIND and not self._paused:
            self._pause(True)
        self._log.gathered(self)

    def _close(self) -> None:
        """What has gathered becomes a piece."""
        if self._open:
            last = self._numbering.next - 1
            self._pieces.append(Piece(self.id, self.attempt, self._first, last, b"".join(self._open)))
            self._first = last + 1
            self._open, self._open_size = [], 0

    def _pause(self, paused: bool) -> None:
        self._paused = paused
        if paused:
            self._log.hurry()
        if self.on_writable is not None:
            self.on_writable(not paused)
