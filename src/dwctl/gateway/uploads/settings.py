"""Settings of uploads."""

import msgspec

MIB = 1024 * 1024


class UploadSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bodies of multipart requests."""

    max_bytes: int = 100 * MIB
    """Of one body; more is answered with 413."""
    memory_bytes: int = 256 * 1024
    """A larger body goes to a file in the data directory."""
    max_total_bytes: int = 4096 * MIB
    """Of all bodies under way; more is answered with 503."""
