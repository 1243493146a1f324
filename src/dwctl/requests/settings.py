"""Settings of the request store."""

import msgspec

MIB = 1024 * 1024
COMPRESS_UP_TO = 64 * 1024


class SpoolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The write-ahead files in the data directory."""

    segment_bytes: int = 64 * MIB
    """A segment is closed at this size and let go when everything in it is committed."""
    spare_segments: int = 4
    """So many files of segments that were let go are kept for the next ones, until a heartbeat finds them unneeded."""
    shed_bodies_above_bytes: int = 4096 * MIB
    """With this much not yet committed, bodies are no longer recorded; rows still are."""
    refuse_above_bytes: int = 8192 * MIB
    """With this much not yet committed, new calls are refused with 503."""


class RecordingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How calls become rows."""

    spool: SpoolSettings = SpoolSettings()
    flush_interval_ms: int = 50
    """A call's row is committed at most about this long after its end."""
    batch_rows: int = 2000
    """Records in one statement: a call has one when it ends before its start is written, else two."""
    statements: int = 2
    """Statements under way at a time: while one is executed, the next is on its way to the server."""
    batch_bytes: int = 8 * MIB
    """Bytes of bodies in one statement."""
    compress_up_to_bytes: int = COMPRESS_UP_TO
    """Bodies above this are stored as they came: compressing a megabyte takes PostgreSQL some 25 ms of a core."""
    compress_answers_from_bytes: int = 4096
    """Answers of at least this size are compressed before they are written anywhere; compressed ones count as small."""
    compress_answers_up_to_bytes: int = 256 * 1024
    """Those above this are not: a megabyte takes the event loop some 2 ms."""
    memory_bytes: int = 128 * MIB
    """Records kept in memory while the database is slow; beyond that they are read back from the spool."""
    max_body_bytes: int = 10 * MIB
    """Bodies above this are not recorded; their size is."""
    heartbeat_secs: float = 5.0
    dead_after_secs: float = 60.0
    """A process without a heartbeat for this long is taken for dead, and its calls for interrupted."""
    partitions_ahead_days: int = 7
    retention_days: int | None = None
    """Calls of a day are dropped so many days after its end, unless a batch or the queue needs them; None keeps all."""
