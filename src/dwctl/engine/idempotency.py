"""The header `Idempotency-Key`: what a key may be, for batches and for queued calls alike. Pure."""

LONGEST = 255


def fault_of(key: str) -> str | None:
    """Why it is none; None for one that may be."""
    if 0 < len(key) <= LONGEST and "\0" not in key:
        return None
    return f"Idempotency-Key: expected 1 to {LONGEST} characters"
