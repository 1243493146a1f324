"""The garbage collector of a process that has started: what is there stays for good."""

import gc


def leave_alone() -> None:
    """Keep what is here out of the collector's way, and let it look rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
