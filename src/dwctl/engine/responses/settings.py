"""Settings of queued single calls."""

from typing import Annotated

import msgspec

from dwctl.core.settings import Duration


class AsyncRequestSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`batches.async_requests`."""

    enabled: bool = True
    """Whether `service_tier: "flex"` and `background: true` queue a call; otherwise it is run at once."""
    completion_window: str = "1h"
    """What a flex call promises."""
    max_waiting: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    """Calls that have not been written to the queue yet; above it new ones are refused with 503."""
    idempotency_key_lifetime: Duration = Duration(86_400)
    """How long an `Idempotency-Key` counts."""
