"""How a call ended, as the record that is written of it. Pure."""

import msgspec

from dwctl.gateway.upstream.response import Head
from dwctl.requests.record import Finished, Started, State
from dwctl.routing.snapshot import Target
from dwctl.usage.meter import Metered
from dwctl.wire.errors import Problem

CLIENT_LEFT = Problem(
    status=499,
    message="The client closed the connection before the answer was complete.",
    code="client_closed_request",
)
"""Never sent: there is nobody to send it to. The status is nginx's convention."""
MAX_SIZE = 2**31 - 1


class Timing(msgspec.Struct, frozen=True, gc=False):
    """When what happened, in milliseconds from the head of the client's request."""

    first_byte_ms: float | None
    duration_ms: float
    overhead_ms: float


def finished(
    started: Started,
    target: Target,
    head: Head | None,
    status: int,
    metered: Metered,
    timing: Timing,
    *,
    now: float,
    size: int,
    error: tuple[str | None, str] | None,
) -> Finished:
    """The record of a call's end; `error` is (code, message), `size` the bytes of the answer's body."""
    if error is None and metered.error is not None:
        error = ("upstream_error", metered.error)
    return Finished(
        id=started.id,
        created_at=started.created_at,
        path=started.path,
        model=started.model,
        owner_id=started.owner_id,
        creator_id=started.creator_id,
        key_id=started.key_id,
        daemon_id=started.daemon_id,
        attempt=started.attempt,
        state=State.COMPLETED if error is None else State.FAILED,
        stream=started.stream,
        background=started.background,
        service_tier=started.service_tier,
        purpose=started.purpose,
        origin=started.origin,
        user_agent=started.user_agent,
        request_size=started.request_size,
        completed_at=now,
        status_code=status,
        upstream_status=None if head is None else head.status,
        endpoint_id=target.endpoint_id,
        target_model=target.model_name,
        first_byte_ms=timing.first_byte_ms,
        duration_ms=timing.duration_ms,
        overhead_ms=timing.overhead_ms,
        prompt_tokens=metered.prompt_tokens,
        completion_tokens=metered.completion_tokens,
        reasoning_tokens=metered.reasoning_tokens,
        cached_tokens=metered.cached_tokens,
        total_tokens=metered.total_tokens,
        response_model=metered.model,
        finish_reason=metered.finish_reason,
        error_code=None if error is None else error[0],
        error_message=None if error is None else error[1],
        response_size=min(size, MAX_SIZE),
    )


def upstream_error(status: int) -> tuple[str | None, str] | None:
    """The error of an answer that the upstream gave itself; its body tells the client more."""
    return None if status < 400 else ("upstream_error", f"The model server answered {status}.")
