"""Bodies that are not there yet when their head is: forms, which come piece by piece, and compressed ones.

Nobody unknown has a body kept or unpacked; each ends as a call like any other, or in a refusal.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from dwctl.gateway.admission import Caller
from dwctl.gateway.failures import not_recorded
from dwctl.gateway.inflate import unsupported
from dwctl.gateway.inflating import Inflating
from dwctl.gateway.peeked import Peek
from dwctl.gateway.uploads.form import boundary_of, not_a_form
from dwctl.gateway.uploads.settings import UploadSettings
from dwctl.gateway.uploads.spill import SpillRoom
from dwctl.gateway.uploads.upload import Upload, too_large
from dwctl.requests.record import Recording
from dwctl.wire.errors import Problem, Refused
from dwctl.wire.exchange import Exchange

T = TypeVar("T")


class Calls(Protocol):
    """What takes the calls; implemented by the gateway."""

    recording: Recording

    def known(self, exchange: Exchange) -> Caller:
        """Who calls; raises `Refused` for whoever may not call at all."""
        ...

    def step(self, exchange: Exchange, step: Callable[[Exchange], T]) -> T | None:
        """A step towards an answer; what goes wrong in it is the answer."""
        ...

    def start(
        self, exchange: Exchange, caller: Caller, upload: Upload | None = None, peeked: Peek | None = None
    ) -> None:
        """The body is whole: a call begins."""
        ...

    def refuse(self, exchange: Exchange, problem: Problem) -> None:
        """Answer with a problem."""
        ...

    def forget(self, peeked: Peek | None) -> None:
        """A call that waited does not begin."""
        ...

    def perf(self) -> float:
        """`time.perf_counter()`."""
        ...


class Intake:
    """Of one gateway."""

    def __init__(
        self, calls: Calls, room: SpillRoom, uploads: UploadSettings, *, max_body_bytes: int
    ) -> None:
        self._calls = calls
        self._max_body_bytes = max_body_bytes
        self._max_upload_bytes = uploads.max_bytes
        self._room = room

    @property
    def kept_bytes(self) -> int:
        """Of all forms under way, in memory and on disk."""
        return self._room.used

    def upload(self, exchange: Exchange) -> Upload | None:
        """Take a form before its body has come: who may not call, or sends too much, need not send it.

        None for a body that is no form, and for a form that has been refused.
        """
        # An answer before the body's end ends the connection.
        keep_alive, exchange.keep_alive = exchange.keep_alive, False
        upload = self._calls.step(exchange, partial(self._begin, keep_alive=keep_alive))
        if upload is None:
            exchange.keep_alive = keep_alive
        return upload

    def unpack(self, exchange: Exchange, coding: str) -> None:
        """Start a call when its body is decompressed; raises `Refused`."""
        # Whoever may not call gets nothing unpacked.
        caller = self._calls.known(exchange)
        Inflating(exchange, self._max_body_bytes, partial(self._inflated, caller)).begin(coding)

    def _inflated(self, caller: Caller, exchange: Exchange, error: BaseException | None) -> None:
        def go_on(exchange: Exchange) -> None:
            if error is not None:
                raise error
            self._calls.start(exchange, caller)

        self._calls.step(exchange, go_on)

    def _begin(self, exchange: Exchange, *, keep_alive: bool) -> Upload | None:
        content_type = exchange.header(b"content-type") or b""
        if not content_type.lower().startswith(b"multipart/"):
            return None
        boundary = boundary_of(content_type)
        if boundary is None:
            raise Refused(not_a_form("it names no boundary, or another kind of multipart"))
        caller = self._calls.known(exchange)
        if caller.coding is not None:
            raise Refused(unsupported("A multipart body has to come without Content-Encoding."))
        if self._calls.recording.refusal is not None:
            raise Refused(not_recorded(self._calls.recording.refusal))
        if int(exchange.header(b"content-length") or 0) > self._max_upload_bytes:
            raise Refused(too_large(self._max_upload_bytes))
        upload = Upload(
            boundary,
            self._room,
            self._max_upload_bytes,
            refuse=partial(self._calls.refuse, exchange),
            take=partial(self._take, exchange, caller, keep_alive),
        )
        exchange.on_abort = upload.close
        return upload

    def _take(
        self, exchange: Exchange, caller: Caller, keep_alive: bool, upload: Upload, peeked: Peek
    ) -> None:
        """The form is whole: from here on it is a call like any other."""
        exchange.on_abort = None
        exchange.keep_alive = keep_alive
        exchange.received = self._calls.perf()

        def start(exchange: Exchange) -> bool:
            self._calls.start(exchange, caller, upload, peeked)
            return True

        if not self._calls.step(exchange, start):
            upload.close()
