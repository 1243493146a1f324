"""What is taken as a file, and for how long it is kept."""

import msgspec

from dwctl.core.settings import Duration

LEAST_OF_RATES = 64 * 1024
"""With less a piece of an upload would hold it for minutes."""


class FileSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`batches.files.*`."""

    default_expiry_seconds: int = 86_400
    """How long a file of the purpose batch lives unless its upload says otherwise; other files live until deleted."""
    min_expiry_seconds: int = 3600
    max_expiry_seconds: int = 2_592_000
    default_output_expiry_seconds: int | None = 2_592_000
    """How long output and error files live after the end of their batch, unless it was made with
    `output_expires_after`; null: until deleted."""
    unique_custom_ids: bool = False
    """Whether a file whose lines share a custom_id is refused."""

    def fault(self) -> str | None:
        """What is wrong with them."""
        low, middle, high = self.min_expiry_seconds, self.default_expiry_seconds, self.max_expiry_seconds
        if not 0 < low <= middle <= high:
            return "batches.files: expected 0 < min_expiry_seconds <= default_expiry_seconds <= max_expiry_seconds"
        output = self.default_output_expiry_seconds
        if output is not None and output < low:
            return "batches.files.default_output_expiry_seconds: expected null, or min_expiry_seconds or more"
        return None


class FileLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`limits.files.*`."""

    max_file_size: int = 100 * 1024 * 1024
    """Bytes; more is answered with 413."""
    max_requests_per_file: int = 0
    """0: no limit."""
    max_concurrent_uploads: int = 0
    """In each process; 0: no limit."""
    max_waiting_uploads: int = 20
    """Uploads that may wait for one to end; more are answered with 429. 0: none waits."""
    max_upload_wait_secs: Duration = Duration(60)
    """How long they wait; then 429."""
    max_stall_secs: Duration = Duration(30)
    """An upload of which nothing comes for so long is answered with 408."""

    least_rate: int = 8 * 1024 * 1024
    """Bytes a second that the uploads of a process have together at least, however late interactive calls are beside
    them. 0: uploads never yield."""

    def fault(self) -> str | None:
        """What is wrong with them."""
        if 0 < self.least_rate < LEAST_OF_RATES:
            return f"limits.files.least_rate: expected 0, or {LEAST_OF_RATES} or more"
        counts = (
            self.max_requests_per_file,
            self.max_concurrent_uploads,
            self.max_waiting_uploads,
            self.least_rate,
        )
        if self.max_file_size <= 0 or min(counts) < 0 or self.max_stall_secs <= 0:
            return "limits.files: expected max_file_size and max_stall_secs > 0, and no number below 0"
        return None
