"""A process that asks a shared book of limits as fast as it can, and tells what passed.

It says `ready`, waits for a line with a moment of the monotonic clock, asks until then, and prints JSON.
"""

import argparse
import sys
import time
from pathlib import Path

import msgspec

from dwctl.routing.limit_book import LimitBook, Slot
from dwctl.routing.limit_table import SharedTable
from dwctl.routing.limits import Limits


class Found(msgspec.Struct):
    """What one process saw; times are those of the monotonic clock."""

    asked: int
    passed: list[tuple[float, float]]
    """Just before and just after the question, for each call that was let through."""
    ended: list[float]
    """Just before each of them gave back what it had taken."""


def hammer(book: LimitBook, limits: Limits, until: float, hold: float) -> Found:
    """Ask until a moment; a call that passes is held for so many seconds, without asking less."""
    found = Found(0, [], [])
    held: list[tuple[float, Slot]] = []
    while (now := time.monotonic()) < until:
        while held and held[0][0] <= now:
            slot = held.pop(0)[1]
            found.ended.append(time.monotonic())
            slot.release()
        found.asked += 1
        answer = book.admit(None, limits)
        if isinstance(answer, Slot):
            found.passed.append((now, time.monotonic()))
            held.append((now + hold, answer))
    for _, slot in held:
        found.ended.append(time.monotonic())
        slot.release()
    return found


def main() -> None:
    """Run until told."""
    options = argparse.ArgumentParser()
    options.add_argument("path", type=Path)
    options.add_argument("worker", type=int)
    options.add_argument("limits")
    options.add_argument("--hold", type=float, default=0.0)
    given = options.parse_args()
    book = LimitBook(SharedTable(given.path, given.worker))
    limits = msgspec.json.decode(given.limits, type=Limits)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    found = hammer(book, limits, float(sys.stdin.readline()), given.hold)
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
