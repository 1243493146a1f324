"""The process that reads the lines of one upload: `python -m dwctl.engine.files.apart`, on pipes.

It holds nothing that another process needs and writes nowhere else. It ends with its work, with the first fault, or
when a pipe breaks: whoever started it is gone then.
"""

import os
import signal
import sys
from typing import BinaryIO

from dwctl.engine.files.frames import LENGTH, Head, frame, terms_of
from dwctl.engine.files.lines import LineReader, Read

PART = 1024 * 1024
"""Bytes that are read before their rows are handed back."""
NICE = 5
"""Whoever waits for an answer of the gateway goes first."""


def work(source: BinaryIO, sink: BinaryIO) -> None:
    """Read one file from beginning to end."""
    length = LENGTH.unpack(source.read(LENGTH.size))[0]
    reader = LineReader(terms_of(source.read(length)))
    while data := source.read(PART):
        if not _hand_back(sink, reader.feed(data)):
            return
    last = reader.end()
    if last.fault is None:
        sink.write(frame(Head(tuple(last.targets), sums=reader.sums), last.rows))
        sink.flush()
    else:
        _hand_back(sink, last)


def _hand_back(sink: BinaryIO, read: Read) -> bool:
    """Whether to go on."""
    if read.rows or read.targets or read.fault is not None:
        sink.write(frame(Head(tuple(read.targets), read.fault), read.rows))
        sink.flush()
    return read.fault is None


def main() -> None:
    """The whole program."""
    # An interrupt on the terminal is for the process that started this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    try:
        work(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        # Nothing more to say, and Python would still try to flush.
        os._exit(0)


if __name__ == "__main__":
    main()
