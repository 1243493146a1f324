"""How a call ended, as the record that is written of it. Pure."""

from typing import Final

from dwctl.gateway.upstream.response_head import Head
from dwctl.requests.record import Record, State
from dwctl.routing.snapshot import Target
from dwctl.usage.charging import charge
from dwctl.usage.meter import NOTHING
from dwctl.usage.metered import Metered
from dwctl.usage.prices import Tariff
from dwctl.wire.errors import Problem

CLIENT_LEFT = Problem(
    status=499,
    message="The client closed the connection before the answer was complete.",
    code="client_closed_request",
)
"""Never sent: there is nobody to send it to. The status is nginx's convention."""
MAX_SIZE: Final = 2**31 - 1
# Plain numbers are encoded faster than an enumeration's members.
_COMPLETED: Final = int(State.COMPLETED)
_FAILED: Final = int(State.FAILED)


def complete(
    record: Record,
    target: Target,
    head: Head | None,
    status: int,
    metered: Metered,
    *,
    size: int,
    error: tuple[str | None, str] | None,
    tariff: Tariff | None = None,
) -> int | None:
    """Set what is known of a call at its end but the times; `error` is (code, message), `size` the answer's bytes.

    `tariff` is None for a free call; of others the cost is given too, in units.
    """
    if error is None and metered.error is not None:
        error = ("upstream_error", metered.error)
    if error is None:
        record.state = _COMPLETED
    else:
        record.state = _FAILED
        record.error_code, record.error_message = error
    record.status_code = status
    if head is not None:
        record.upstream_status = head.status
    record.endpoint_id = target.endpoint_id
    record.target_model = target.model_name
    record.response_size = min(size, MAX_SIZE)
    if metered is not NOTHING:
        record.prompt_tokens = metered.prompt_tokens
        record.completion_tokens = metered.completion_tokens
        record.total_tokens = metered.total_tokens
        # What few answers tell is set for those alone: setting costs more than asking.
        if metered.reasoning_tokens is not None:
            record.reasoning_tokens = metered.reasoning_tokens
        if metered.cached_tokens is not None:
            record.cached_tokens = metered.cached_tokens
        if metered.cache_write_tokens is not None:
            record.cache_write_tokens = metered.cache_write_tokens
        if metered.audio_seconds is not None:
            record.audio_seconds = metered.audio_seconds
        if metered.estimated:
            record.estimated = True
        record.response_model = metered.model
        record.finish_reason = metered.finish_reason
    if tariff is None:
        return None
    record.cost, units = charge(
        tariff,
        record.prompt_tokens,
        record.completion_tokens,
        record.cached_tokens,
        record.reasoning_tokens,
        record.cache_write_tokens,
    )
    return units


def upstream_error(status: int) -> tuple[str | None, str] | None:
    """The error of an answer that the upstream gave itself; its body tells the client more."""
    return None if status < 400 else ("upstream_error", f"The model server answered {status}.")
