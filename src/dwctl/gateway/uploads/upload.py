"""A body on its way in: checked against its limits, read as a form, handed on when whole. Implements `BodySink`."""

import logging
from collections.abc import Callable

from dwctl.gateway.peeked import Peek
from dwctl.gateway.uploads.form import Form
from dwctl.gateway.uploads.spill import RoomFull, Spill, SpillRoom
from dwctl.wire.errors import Problem, Refused

logger = logging.getLogger(__name__)


class Upload:
    """One body. Whoever takes it over closes it; before that it closes itself."""

    __slots__ = ("_max_bytes", "_refuse", "_spill", "_take", "form", "size")

    def __init__(
        self,
        boundary: bytes,
        room: SpillRoom,
        max_bytes: int,
        *,
        refuse: Callable[[Problem], None],
        take: Callable[["Upload", Peek], None],
    ) -> None:
        self._spill = Spill(room)
        self._max_bytes = max_bytes
        self._refuse = refuse
        self._take = take
        self.form = Form(boundary, self._spill)
        self.size = 0
        """Bytes of the body as it came."""

    def feed(self, data: bytes) -> None:
        """More of it."""
        self.size += len(data)
        if self.size > self._max_bytes:
            self._give_up(too_large(self._max_bytes))
            return
        try:
            self.form.feed(data)
        except Refused as refusal:
            self._give_up(refusal.problem)
        except (OSError, RoomFull) as error:
            self._give_up(_no_room(error))

    def end(self) -> None:
        """It is whole."""
        try:
            peeked = self.form.end()
        except Refused as refusal:
            self._give_up(refusal.problem)
        except (OSError, RoomFull) as error:
            self._give_up(_no_room(error))
        else:
            self._take(self, peeked)

    def close(self) -> None:
        """Nobody needs it any more."""
        self._spill.close()

    def _give_up(self, problem: Problem) -> None:
        self.close()
        self._refuse(problem)


def too_large(limit: int) -> Problem:
    """413."""
    text = f"The request's body is larger than {limit} bytes."
    return Problem(status=413, message=text, code="payload_too_large")


def _no_room(error: Exception) -> Problem:
    if isinstance(error, OSError):
        logger.error("a request's body cannot be kept: %s", error.strerror or error)
    return Problem(
        status=503,
        message="There is no room for the request's body at the moment.",
        type="server_error",
        code="service_unavailable",
        headers=((b"retry-after", b"5"),),
    )
