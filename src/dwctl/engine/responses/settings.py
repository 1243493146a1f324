"""Settings of stored responses and of queued single calls."""

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
    max_stream_bytes: Annotated[int, msgspec.Meta(ge=0)] = 64 * 1024 * 1024
    """Events of one background stream that are kept; of a longer one only the last event follows."""


class ContextSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`responses.context`: calls that refer to what is stored."""

    max_turns: Annotated[int, msgspec.Meta(ge=1)] = 1000
    """Responses that one call may go on from, and entries of a conversation."""
    max_bytes: Annotated[int, msgspec.Meta(ge=1024)] = 32 * 1024 * 1024
    """Of everything that such a call sends to the model server, files included."""
    max_waiting: Annotated[int, msgspec.Meta(ge=1)] = 1000
    """Calls of each process whose context is being read; above it new ones are refused with 503."""


class ResponseSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`responses.*`."""

    context: ContextSettings = ContextSettings()
