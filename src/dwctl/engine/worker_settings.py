"""Settings of the worker: `background_services.batch_daemon.*`, under the contract's names."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from dwctl.engine.capacity import AdaptiveSettings
from dwctl.routing.snapshot import Timeouts

Count = Annotated[int, msgspec.Meta(ge=1)]
Millis = Annotated[int, msgspec.Meta(ge=0)]
Interval = Annotated[int, msgspec.Meta(ge=10)]
"""Milliseconds between two looks at the database."""


class Escalation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where requests for a model go when their deadline is near."""

    escalation_model: str
    escalation_threshold_seconds: Annotated[float, msgspec.Meta(ge=0)] = 900.0


class BatchDaemonSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How queued work is run."""

    enabled: Literal["always", "leader", "never"] = "always"
    """Whether this process takes work: always, while it leads all processes on the database, or never."""
    claim_batch_size: Count = 250
    """Requests taken in one statement: a few milliseconds of work, so that a claim is never long."""
    claim_interval_ms: Interval = 1000
    """The queue is looked at this often, even when nothing tells of work."""
    default_model_concurrency: Annotated[int, msgspec.Meta(ge=0)] = 10
    """Queued requests that each process runs at a time for a model without a batch capacity."""
    max_retries: Annotated[int, msgspec.Meta(ge=0)] | None = 1000
    """Tries after the first one; null: as long as the deadline allows."""
    stop_before_deadline_ms: Millis | None = 900_000
    """Nothing is tried again later than so long before its deadline, or a quarter of its window if that is less."""
    backoff_ms: Millis = 1000
    """The first wait before another try is drawn from 0 to this."""
    backoff_factor: Annotated[float, msgspec.Meta(ge=1)] = 2
    max_backoff_ms: Millis = 10_000
    first_chunk_timeout_ms: Count = 86_400_000
    """From a request to the head of its answer. The gateway's and the endpoint's own limits hold too, the strictest one
    first. None of the three ends the claim of a request: a process holds that for as long as it lives."""
    chunk_timeout_ms: Count = 86_400_000
    """Silence in the middle of an answer."""
    body_timeout_ms: Count = 86_400_000
    """With `first_chunk_timeout_ms` the whole of a try, waits in the gateway included."""
    timeout_ms: Count | None = None
    """Deprecated: the whole of a try, in place of `first_chunk_timeout_ms` and `body_timeout_ms`."""
    claim_timeout_ms: Millis = 60_000
    """Accepted: what a process has taken is its own for as long as it lives."""
    processing_timeout_ms: Millis = 600_000
    """Accepted: a slow request is never run twice."""
    heartbeat_interval_ms: Millis = 5000
    """Accepted: the heartbeat is `recording.heartbeat_secs`."""
    stale_daemon_threshold_ms: Annotated[int, msgspec.Meta(ge=1000)] = 30_000
    """A process without a heartbeat for so long is taken for dead, and others run what it held."""
    unclaim_batch_size: Count = 1000
    """Requests of a dead process that are freed in one step."""
    cancellation_poll_interval_ms: Interval = 5000
    """How often it is asked what of the work under way is cancelled, even when nothing tells of it."""
    populate_batch_size: Count = 5000
    """Lines of a batch that are made ready in one step."""
    batch_metadata_fields: tuple[str, ...] = (
        "id", "endpoint", "created_at", "completion_window", "request_source",
    )  # fmt: skip
    """Sent upstream as headers `x-fusillade-batch-…`: columns of the batch, or keys of its metadata."""
    model_escalations: Mapping[str, Escalation] = {}
    """By the model asked for."""
    streamable_endpoints: tuple[str, ...] = ()
    """Paths such as `/v1/chat/completions` whose requests are streamed by the model server and put together here."""
    urgency_weight: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """Who is next: 0 looks at what owners have under way alone, 1 at deadlines alone."""
    inject_deadline_priority: bool = False
    """Whether bodies carry `nvext.agent_hints.priority`, the nearer the deadline the higher."""
    adaptive: AdaptiveSettings = AdaptiveSettings()
    """How queued requests make room for interactive calls of the same model."""
    purge_interval_ms: Annotated[int, msgspec.Meta(ge=1000)] = 600_000
    """How often what nobody needs any more is deleted."""
    purge_batch_size: Count = 1000
    """Rows in one step of it."""
    purge_throttle_ms: Millis = 100
    """The pause between two steps."""
    status_log_interval_ms: Millis = 2000
    """Accepted: metrics tell the state."""

    @property
    def timeouts(self) -> Timeouts:
        """The limits of time of one try."""
        idle = self.chunk_timeout_ms / 1000
        if self.timeout_ms is not None:
            return Timeouts(idle=idle, total=self.timeout_ms / 1000)
        first, body = self.first_chunk_timeout_ms / 1000, self.body_timeout_ms / 1000
        return Timeouts(first_byte=first, idle=idle, total=first + body)
