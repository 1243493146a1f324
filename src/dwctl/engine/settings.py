"""Settings of durable work."""

import msgspec

from dwctl.engine.files.settings import FileSettings
from dwctl.engine.responses.settings import AsyncRequestSettings
from dwctl.requests.queue.windows import EXPECTED, seconds_of


class BatchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`batches.*`."""

    enabled: bool = True
    """Whether there are batches: their routes, and the work."""
    allowed_completion_windows: tuple[str, ...] = ("24h",)
    """What a batch may ask for; whoever may create batches for all may ask for any."""
    window_relaxation_factors: dict[str, float] = {}
    """By window: what is promised may be so many times what the models manage; 1 for a window that is not named."""
    allowed_url_paths: tuple[str, ...] = (
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/responses",
    )
    """What a line of a file may call, and a batch's `endpoint`."""
    default_throughput: float = 100.0
    """Requests per second of a model whose `throughput` is not set."""
    files: FileSettings = FileSettings()
    async_requests: AsyncRequestSettings = AsyncRequestSettings()

    def fault(self) -> str | None:
        """What is wrong with them."""
        if not self.allowed_completion_windows or not all(map(seconds_of, self.allowed_completion_windows)):
            return f"batches.allowed_completion_windows: expected a list of windows, each {EXPECTED}"
        if not all(factor >= 0 for factor in self.window_relaxation_factors.values()):
            return "batches.window_relaxation_factors: expected no factor below 0"
        if not self.allowed_url_paths:
            return "batches.allowed_url_paths: expected at least one path"
        if not self.default_throughput >= 0:
            return "batches.default_throughput: expected 0 or more"
        if seconds_of(self.async_requests.completion_window) is None:
            return f"batches.async_requests.completion_window: expected {EXPECTED}"
        return None
