"""The process that reads the lines of one upload: `python -m dwctl.engine.files.apart`, on pipes.

It holds nothing that another process needs and writes nowhere else. It ends with its work, with the first fault, or
when a pipe breaks: whoever started it is gone then.

What is read goes back by a thread of its own, so that the next part is read while the database takes the last one. It
is behind by no more than `BEHIND` parts, whose rows are held for so long.
"""

import os
import queue
import signal
import sys
import threading
from typing import BinaryIO

from dwctl.engine.files.frames import LENGTH, Head, frame, terms_of
from dwctl.engine.files.leftover import Leftover
from dwctl.engine.files.lines import LineReader

PART = 1024 * 1024
"""Bytes that are read before their rows are handed back."""
BEHIND = 2
"""Parts that wait to be written."""
NICE = 5
"""Whoever waits for an answer of the gateway goes first: most of the work is even left to a thread that takes what
nobody else wants (`leftover`)."""


def work(source: BinaryIO, sink: BinaryIO) -> None:
    """Read one file from beginning to end."""
    length = LENGTH.unpack(source.read(LENGTH.size))[0]
    reader = LineReader(terms_of(source.read(length)))
    leftover = Leftover()
    going_back = _GoingBack(sink)
    while data := source.read(PART):
        read = leftover.do(reader.feed, data)
        if read.rows or read.targets or read.fault is not None:
            going_back.put(Head(tuple(read.targets), read.fault), read.rows)
        if read.fault is not None:
            break
    else:
        last = reader.end()
        sums = None if last.fault is not None else reader.sums
        going_back.put(Head(tuple(last.targets), last.fault, sums), last.rows)
    going_back.end()


class _GoingBack:
    """The thread that writes."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._waiting: queue.Queue[bytes | None] = queue.Queue(BEHIND)
        self._thread = threading.Thread(target=self._write, name="rows", daemon=True)
        self._thread.start()

    def put(self, head: Head, rows: bytes) -> None:
        """One more frame."""
        self._waiting.put(frame(head, rows))

    def end(self) -> None:
        """Return when all is written."""
        self._waiting.put(None)
        self._thread.join()

    def _write(self) -> None:
        try:
            while (text := self._waiting.get()) is not None:
                self._sink.write(text)
                self._sink.flush()
        except BrokenPipeError:
            # Nobody wants the rows any more; Python would still try to flush.
            os._exit(0)


def main() -> None:
    """The whole program."""
    # An interrupt on the terminal is for the process that started this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    work(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
