"""The recorder: takes a call's records on the hot path, writes them to the spool once per turn of the loop.

What is sent depends on what is written: `after` callbacks run once everything noted before them is in the
spool. If the spool cannot be written (disk full), `refusal` says so and the gateway refuses new calls; calls
that are already under way are still answered, and their records go to the database from memory, so that only
a kill at that moment can lose them.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import msgspec

from dwctl.core.metrics import Metrics
from dwctl.requests.backlog import Backlog
from dwctl.requests.entries import Block, Position
from dwctl.requests.entry import Entry
from dwctl.requests.frames import BLOCK_HEAD, Kind, frame_head
from dwctl.requests.packing import Packer
from dwctl.requests.record import Record, Waiting
from dwctl.requests.settings import RecordingSettings
from dwctl.requests.spool import Spool
from dwctl.requests.states import supersedes

logger = logging.getLogger(__name__)

RETRY_AFTER = 1.0
# Plain numbers: an enumeration's member is slow to look up and slow to pack.
_STARTED: Final = int(Kind.STARTED)
_FINISHED: Final = int(Kind.FINISHED)


class Recorder:
    """Implements `Recording`. One for each process; everything is called on the event loop."""

    def __init__(
        self,
        spool: Spool,
        settings: RecordingSettings,
        metrics: Metrics,
        *,
        keep_bodies: bool = True,
    ) -> None:
        self.backlog = Backlog(spool, settings.memory_bytes)
        self.refusal: str | None = None
        """Why no new call may be taken, or None."""
        self.on_entries: Callable[[], None] = _nothing
        """Called when there is something to commit; set by the writer."""
        self.written = 0
        """Records that went to the backlog since the start."""
        self._spool = spool
        self._settings = settings
        self._max_body_bytes = settings.max_body_bytes if keep_bodies else 0
        self._shed_above = settings.spool.shed_bodies_above_bytes
        self._packer = Packer(settings.compress_answers_from_bytes, settings.compress_answers_up_to_bytes)
        self._encode_into = msgspec.json.Encoder().encode_into
        self._json = bytearray()
        """Where records are encoded: bytes of their own then come in the right size at once, and not by growing."""
        self._pieces: list[bytes] = []
        self._entries: list[Entry] = []
        self._open: dict[str, Entry] = {}
        """Starts that are not committed: the call's end goes into the same entry, if it is not being written yet."""
        self._callbacks: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        self._waiting: list[Waiting] = []
        self._scheduled = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._shed = metrics.counter(
            "dwctl_spool_bodies_shed_total", "Bodies not recorded because the spool was too large."
        )
        # Asked when somebody reads: setting a gauge costs as much as all else that a write counts.
        metrics.gauge("dwctl_spool_bytes", "Bytes of the spool on disk.").set_function(lambda: spool.size)

    @property
    def noted(self) -> int:
        """Records since the start."""
        return self.written + len(self._entries)

    def start(self, record: Record, body: bytes) -> None:
        """Note that a call was admitted."""
        body = self._kept(record, body)
        meta = self._frame(_STARTED, record, body)
        entry = Entry(_STARTED, record.id, record.attempt, record.state, meta, body, b"")
        self._entries.append(entry)
        self._open[entry.id] = entry

    def finish(self, record: Record, body: bytes) -> None:
        """Note how a call ended."""
        body = self._packer.pack(self._kept(record, body))
        meta = self._frame(_FINISHED, record, body)
        entry = self._open.pop(record.id, None)
        if entry is None or entry.taken or self.backlog.spilled or not supersedes(record, entry):
            entry = Entry(_FINISHED, record.id, record.attempt, record.state, meta, b"", body)
            self._entries.append(entry)
            return
        entry.kind = _FINISHED
        entry.attempt = record.attempt
        entry.state = record.state
        entry.meta = meta
        entry.response = body

    def committed(self, blocks: list[Block]) -> int:
        """They are in the database; how many records they were."""
        count = 0
        for block in blocks:
            entries = block.entries
            count += len(entries)
            self._forget(entries)
        return count

    def after(self, callback: Callable[..., None], *args: object) -> None:
        """Call back once everything noted so far is in the spool."""
        self._callbacks.append((callback, args))
        if not self._scheduled:
            self._schedule()

    def tell(self, waiting: Waiting) -> None:
        """Tell a call that everything noted so far is in the spool."""
        self._waiting.append(waiting)
        if not self._scheduled:
            self._schedule()

    def flush(self) -> None:
        """Write what was noted in this turn, then run what waited for it."""
        self._scheduled = False
        if self._pieces:
            self._write()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            try:
                each.noted()
            except Exception:
                logger.exception("a step after recording failed")
        callbacks, self._callbacks = self._callbacks, []
        for callback, args in callbacks:
            try:
                callback(*args)
            except Exception:
                logger.exception("a step after recording failed")

    def _kept(self, record: Record, body: bytes) -> bytes:
        """A body as far as it is recorded."""
        if not body or len(body) > self._max_body_bytes or not record.stored:
            return b""
        if self._spool.size > self._shed_above:
            self._shed.inc()
            return b""
        return body

    def _frame(self, kind: int, record: Record, body: bytes) -> bytes:
        """Have a record written with the others of this turn; its JSON."""
        self._encode_into(record, self._json)
        meta = bytes(self._json)
        pieces = self._pieces
        pieces.append(frame_head(kind, len(meta), len(body)))
        pieces.append(meta)
        pieces.append(body)
        if not self._scheduled:
            self._schedule()
        return meta

    def _forget(self, entries: list[Entry]) -> None:
        """They change no more: what follows is an entry of its own."""
        for entry in entries:
            if entry.kind == _STARTED and self._open.get(entry.id) is entry:
                del self._open[entry.id]

    def _schedule(self) -> None:
        self._scheduled = True
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._loop.call_soon(self.flush)

    def _write(self) -> None:
        pieces, self._pieces = self._pieces, []
        entries, self._entries = self._entries, []
        block = b"".join(pieces)
        size = BLOCK_HEAD + len(block)
        on_disk = True
        try:
            self._spool.write(block)
        except OSError as error:
            on_disk = False
            self._fail(error)
        else:
            self.refusal = self._full()
        end = self._spool.position
        start = Position(end.segment, end.offset - size) if on_disk else end
        self.written += len(entries)
        if not self.backlog.put(Block(entries, size, start, end), on_disk=on_disk):
            self._forget(entries)
        self.on_entries()

    def _full(self) -> str | None:
        if self._spool.size <= self._settings.spool.refuse_above_bytes:
            return None
        return "too many calls wait to be committed to the database"

    def _fail(self, error: OSError) -> None:
        if self.refusal is None:
            logger.error("the spool in %s cannot be written: %s", self._spool.folder, error)
        self.refusal = f"calls cannot be recorded: {error.strerror or error}"
        try:
            self._spool.turn_page()
        except OSError as again:
            logger.debug("no new segment: %s", again)
        if self._loop is not None:
            self._loop.call_later(RETRY_AFTER, self._probe)

    def _probe(self) -> None:
        """Take calls again once an empty write's worth of space is there."""
        try:
            self._spool.probe()
        except OSError:
            if self._loop is not None:
                self._loop.call_later(RETRY_AFTER, self._probe)
        else:
            self.refusal = None
            logger.warning("the spool can be written again")


def _nothing() -> None:
    """Nobody waits for entries yet."""
