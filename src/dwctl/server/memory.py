"""What a process does about its memory: when large pieces go back to the system, and what the collector looks at."""

import ctypes
import gc

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
"""Parameters of glibc's `mallopt(3)`."""
LARGE = 16 * 1024 * 1024
"""Bytes from which a piece has pages of its own and is given back when it is freed."""
LEFT = 32 * 1024 * 1024
"""Bytes free at the end of the heap above which they are given back."""


def give_back_large() -> None:
    """Keep the allocator from holding on to large pieces; to be called before there are any.

    By itself glibc takes a freed one as a sign that more of its size will come, and keeps those on the heap: the 19 MiB
    that the hash of a password works in stayed with the process. Other C libraries have no such parameter.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE)
        # It would fall to 128 KiB with the first one set, and the heap move up and down with every statement.
        mallopt(_M_TRIM_THRESHOLD, LEFT)


def leave_alone() -> None:
    """Keep what is here out of the collector's way, and let it look rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
