"""Uploads: from the pieces of a form to a file that is there, or to nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import asyncpg
import msgspec

from dwctl.core.errors import BadRequest, PayloadTooLarge, TooSlow, Unavailable
from dwctl.core.ids import new_uuid
from dwctl.engine.files.access import check
from dwctl.engine.files.form import Event, Field, FileBegins, FileEnds, UploadForm
from dwctl.engine.files.keeping import LINES, PIECES
from dwctl.engine.files.line_copy import LineCopy
from dwctl.engine.files.lines import Sums, Terms
from dwctl.engine.files.pace import Pace
from dwctl.engine.files.pieces import PieceIntake
from dwctl.engine.files.reading import LineIntake
from dwctl.engine.files.settings import FileLimits
from dwctl.engine.files.slots import Slots
from dwctl.engine.files.store import FileStore
from dwctl.engine.files.structs import PURPOSES
from dwctl.engine.settings import BatchSettings
from dwctl.identity.principal import Principal
from dwctl.requests.writer import AWAY
from dwctl.routing.snapshot import Routing

logger = logging.getLogger(__name__)

FRAMING = 10 * 1024
"""Bytes of a form that are not its file, as far as its Content-Length is judged."""
CLEAR_STEPS = 10
"""Steps in which a failed upload is cleared away before its error is told; the rest is for housekeeping."""
_ANCHOR, _SECONDS = "expires_after[anchor]", "expires_after[seconds]"

Receive = Callable[[], Awaitable[bytes | None]]
"""Gives more of the body, or None at its end; raises when the client has left."""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """How a form comes."""

    content_type: str
    content_length: int | None
    receive: Receive


class Uploads:
    """Takes all uploads of this process."""

    def __init__(
        self,
        *,
        store: FileStore,
        routing: Routing,
        daemon_id: UUID,
        batches: BatchSettings,
        limits: FileLimits,
        max_body_bytes: int,
    ) -> None:
        self.store = store
        self.routing = routing
        self.daemon_id = daemon_id
        self.batches = batches
        self.limits = limits
        self.max_body_bytes = max_body_bytes
        self.failed: set[UUID] = set()
        self.pace = Pace(limits.least_rate)
        self._slots = Slots(
            limits.max_concurrent_uploads, limits.max_waiting_uploads, limits.max_upload_wait_secs
        )

    @property
    def waiting(self) -> int:
        """Uploads whose turn has not come."""
        return self._slots.waiting

    async def take(self, who: Principal, form: Form) -> UUID:
        """Take one; gives the id of the file, which is there from now on. On any error there is none."""
        if (form.content_length or 0) > self.limits.max_file_size + FRAMING:
            raise too_large(self.limits.max_file_size)
        reader = UploadForm(form.content_type)
        async with self._slots.slot(), self.pace.upload():
            upload = Upload(self, who)
            try:
                while True:
                    data = await self._more(form.receive)
                    if data is None:
                        break
                    for event in reader.feed(data):
                        await upload.take(event)
                reader.end()
                return await upload.finish()
            except BaseException:
                await upload.abandon()
                raise

    async def _more(self, receive: Receive) -> bytes | None:
        stall = self.limits.max_stall_secs
        try:
            async with asyncio.timeout(stall):
                return await receive()
        except TimeoutError as error:
            raise TooSlow(f"Nothing of the upload has come for {stall:g} s.") from error


class Upload:
    """One upload. If its purpose is not known when its bytes come, they are pieces until it is."""

    def __init__(self, uploads: Uploads, who: Principal) -> None:
        self._uploads = uploads
        self._store = uploads.store
        self._who = who
        self._fields: dict[str, str] = {}
        self._id: UUID | None = None
        self._size = 0
        self._lines: LineIntake | None = None
        self._pieces: PieceIntake | None = None
        self._sums = Sums(0, {})

    async def take(self, event: Event) -> None:
        """More of the form."""
        if isinstance(event, bytes):
            self._size += len(event)
            if self._size > self._uploads.limits.max_file_size:
                raise too_large(self._uploads.limits.max_file_size)
            await self._uploads.pace.take(len(event))
            await self._write(event)
        elif isinstance(event, FileBegins):
            await self._begin(event.filename)
        elif isinstance(event, FileEnds):
            await self._end()
        elif isinstance(event, Field):
            self._fields[event.name] = event.value
            self._check_fields()

    async def finish(self) -> UUID:
        """The form is complete."""
        purpose = self._fields.get("purpose")
        if purpose is None:
            raise BadRequest(f"purpose: expected one of {', '.join(PURPOSES)}, but it is not there")
        if self._id is None:
            raise BadRequest("file: expected a file, but it is not there")
        expires_in = self._expires_in(purpose)
        if purpose == "batch" and self._pieces is not None:
            await self._read_again(self._id)
        await self._store.finish(
            self._id,
            purpose=purpose,
            size=self._size,
            lines=self._sums.lines,
            models=self._sums.models,
            expires_in=expires_in,
        )
        return self._id

    async def abandon(self) -> None:
        """It came to nothing, so nothing of it is to stay."""
        if self._lines is not None:
            await self._lines.abandon()
        file_id = self._id
        if file_id is None:
            return
        self._uploads.failed.add(file_id)
        try:
            await self._store.give_up(file_id)
            self._uploads.failed.discard(file_id)
            for _ in range(CLEAR_STEPS):
                if await self._store.clear_step(LINES, PIECES, file_id) is not False:
                    break
        except (*AWAY, asyncpg.PostgresError, Unavailable) as error:
            # Nobody sees what is left, and housekeeping takes it.
            logger.warning("the upload %s is not cleared away yet: %r", file_id, error)

    async def _begin(self, filename: str) -> None:
        file_id = new_uuid()
        self._id = file_id
        await self._store.begin(
            file_id,
            filename,
            owner_id=self._who.owner_id,
            creator_id=self._who.user_id,
            key_id=self._who.key_id,
            daemon_id=self._uploads.daemon_id,
        )
        if self._fields.get("purpose") == "batch":
            self._lines = await self._line_intake(file_id)
        else:
            self._pieces = PieceIntake(partial(self._store.add_piece, file_id))

    async def _line_intake(self, file_id: UUID) -> LineIntake:
        uploads = self._uploads
        terms = Terms(
            file_id=file_id,
            urls=uploads.batches.allowed_url_paths,
            max_body_bytes=uploads.max_body_bytes,
            max_requests=uploads.limits.max_requests_per_file,
            unique_custom_ids=uploads.batches.files.unique_custom_ids,
        )
        owner_id = self._who.owner_id
        access = await self._store.access(owner_id, self._who.key_id)
        return LineIntake(
            terms,
            lambda targets: check(uploads.routing.snapshot, owner_id, access, targets),
            LineCopy(self._store, file_id).copy,
        )

    async def _write(self, data: bytes) -> None:
        if self._lines is not None:
            await self._lines.write(data)
        elif self._pieces is not None:
            await self._pieces.write(data)

    async def _end(self) -> None:
        if self._lines is not None:
            self._sums = await self._lines.end()
        elif self._pieces is not None:
            await self._pieces.end()

    async def _read_again(self, file_id: UUID) -> None:
        """What came before its purpose is a file of requests."""
        self._lines = await self._line_intake(file_id)
        number = 0
        while (piece := await self._store.piece(file_id, number)) is not None:
            await self._lines.write(piece)
            number += 1
        self._sums = await self._lines.end()
        await self._store.drop_pieces(file_id)

    def _check_fields(self) -> None:
        """What can be told of the fields before the file has come."""
        purpose = self._fields.get("purpose")
        if purpose is not None and purpose not in PURPOSES:
            raise BadRequest(f"purpose: expected one of {', '.join(PURPOSES)}, got {purpose[:100]!r}")
        anchor = self._fields.get(_ANCHOR)
        if anchor not in (None, "created_at"):
            raise BadRequest(f"{_ANCHOR}: expected created_at, got {anchor[:100]!r}")
        self._seconds()

    def _seconds(self) -> int | None:
        text = self._fields.get(_SECONDS)
        if text is None:
            return None
        files = self._uploads.batches.files
        low, high = files.min_expiry_seconds, files.max_expiry_seconds
        if not (text.isascii() and text.isdecimal() and len(text) < 19 and low <= int(text) <= high):
            raise BadRequest(f"{_SECONDS}: expected a number from {low} to {high}, got {text[:100]!r}")
        return int(text)

    def _expires_in(self, purpose: str) -> int | None:
        seconds = self._seconds()
        if (seconds is None) != (_ANCHOR not in self._fields):
            missing = _SECONDS if seconds is None else _ANCHOR
            raise BadRequest(f"{missing}: expected beside the other field of expires_after")
        if seconds is None and purpose == "batch":
            return self._uploads.batches.files.default_expiry_seconds
        return seconds


def too_large(most: int) -> PayloadTooLarge:
    """413 for a file."""
    return PayloadTooLarge(f"The file is larger than {most} bytes.")
