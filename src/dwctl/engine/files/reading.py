"""The lines of an upload on their way into the table: small files in place, others through a process apart.

Back-pressure goes all the way: rows wait for the database, the process for its rows to be taken, `write` for the
process.
"""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from dwctl.core.errors import BadRequest, Unavailable
from dwctl.core.module_path import module_path
from dwctl.core.services import end_task, start_task
from dwctl.engine.files.frames import LENGTHS, head_of, opening
from dwctl.engine.files.lines import Fault, LineReader, Sums, Target, Terms

logger = logging.getLogger(__name__)

IN_PLACE = 256 * 1024
"""Bytes of a file that is read on the event loop."""
SLICE = 32 * 1024
"""So many of them in one turn: at most some three milliseconds."""

BUFFER = 256 * 1024
"""Bytes of rows that are passed on at once: one line may be large, and nothing is to hold the event loop."""

Copy = Callable[[AsyncIterator[bytes]], Awaitable[None]]
"""Takes rows in binary COPY format, cut anywhere; they are on disk when it returns."""
Check = Callable[[Sequence[Target]], None]
"""Raises for a model that may not be used, or not by this path."""


def refusal(fault: Fault) -> BadRequest:
    """A fault as the client sees it."""
    return BadRequest(f"Line {fault.line}: {fault.message}" if fault.line else fault.message)


class LineIntake:
    """Takes one file. Any error ends it; `abandon` must follow then, and may follow always."""

    def __init__(self, terms: Terms, check: Check, copy: Copy) -> None:
        self._terms = terms
        self._check = check
        self._copy = copy
        self._kept: list[bytes] = []
        self._size = 0
        self._process: asyncio.subprocess.Process | None = None
        self._copier: asyncio.Task[Sums] | None = None

    async def write(self, data: bytes) -> None:
        """More of the file."""
        if self._process is None:
            self._kept.append(data)
            self._size += len(data)
            if self._size > IN_PLACE:
                await self._go_apart()
        else:
            await self._pass(self._process, data)

    async def end(self) -> Sums:
        """The file is complete; gives what it has when every row is on disk."""
        process, copier = self._process, self._copier
        if process is None or copier is None:
            return await self._read_in_place()
        if process.stdin is not None and not copier.done() and not process.stdin.is_closing():
            process.stdin.write_eof()
        return await copier

    async def abandon(self) -> None:
        """Let go of everything."""
        if self._copier is not None:
            await end_task(self._copier)
            if not self._copier.cancelled():
                # Whoever abandons has an error already.
                self._copier.exception()
        if self._process is not None:
            await _end(self._process)

    async def _read_in_place(self) -> Sums:
        reader = LineReader(self._terms)
        data = b"".join(self._kept)
        rows: list[bytes] = []
        for start in range(0, len(data), SLICE):
            read = reader.feed(data[start : start + SLICE])
            self._take(read.targets, read.fault)
            rows.append(read.rows)
            await asyncio.sleep(0)
        read = reader.end()
        self._take(read.targets, read.fault)
        rows.append(read.rows)
        await self._copy(_each(rows))
        return reader.sums

    def _take(self, targets: Sequence[Target], fault: Fault | None) -> None:
        # Models stand before the line that is wrong.
        self._check(targets)
        if fault is not None:
            raise refusal(fault)

    async def _go_apart(self) -> None:
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            # Without the working directory in the module path, and without what is secret in the environment.
            "-P",
            "-m",
            "dwctl.engine.files.apart",
            env={"PYTHONPATH": module_path()},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=BUFFER,
        )
        self._copier = start_task(self._copy_rows(process), name="file rows")
        kept, self._kept = self._kept, []
        await self._pass(process, opening(self._terms))
        for data in kept:
            await self._pass(process, data)

    async def _pass(self, process: asyncio.subprocess.Process, data: bytes) -> None:
        copier, pipe = self._copier, process.stdin
        if copier is None or pipe is None:
            raise RuntimeError("the process was started without a pipe")
        if not copier.done():
            try:
                if pipe.is_closing():
                    # Its end is known and not told yet; uvloop's pipe throws for what is written now.
                    raise BrokenPipeError
                pipe.write(data)
                await pipe.drain()
            except (BrokenPipeError, ConnectionResetError):
                # It has found a fault, or it was ended because rows could not be taken: the copier knows.
                await asyncio.wait([copier])
        if copier.done():
            copier.result()
            raise Unavailable("The file could not be read; try again.", 1)

    async def _copy_rows(self, process: asyncio.subprocess.Process) -> Sums:
        """Take what the process hands back; whatever ends this ends the process, so that nobody waits for it."""
        pipe = process.stdout
        if pipe is None:
            raise RuntimeError("the process was started without a pipe")
        try:
            while True:
                head_size, size = LENGTHS.unpack(await pipe.readexactly(LENGTHS.size))
                head = head_of(await pipe.readexactly(head_size))
                self._take(head.targets, head.fault)
                if size:
                    await self._copy(_cut(pipe, size))
                if head.sums is not None:
                    return head.sums
        except asyncio.IncompleteReadError as error:
            logger.error("the process that read a file ended before the file did")
            raise Unavailable("The file could not be read; try again.", 1) from error
        finally:
            await _end(process)


async def _each(parts: Sequence[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def _cut(pipe: asyncio.StreamReader, size: int) -> AsyncIterator[bytes]:
    """So many bytes of the pipe. They are written already or are just being written: nobody waits for a client here."""
    while size:
        data = await pipe.read(min(size, BUFFER))
        if not data:
            raise asyncio.IncompleteReadError(b"", size)
        size -= len(data)
        yield data


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
