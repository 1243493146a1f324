"""What the client is told when an upstream does not deliver (spec/gateway A1.12, spec/wire-api §8). Pure."""

import msgspec

from dwctl.gateway.routes import IdStyle
from dwctl.gateway.upstream.connection import Failure
from dwctl.wire.errors import Problem
from dwctl.wire.sse import data_of, events

_STATUSES = {
    Failure.CONNECT_TIMEOUT: (504, "gateway_timeout"),
    Failure.FIRST_BYTE_TIMEOUT: (504, "gateway_timeout"),
    Failure.IDLE_TIMEOUT: (504, "gateway_timeout"),
    Failure.TOTAL_TIMEOUT: (504, "gateway_timeout"),
    Failure.BUSY: (503, "service_unavailable"),
    Failure.UNSENT: (500, "internal_error"),
    Failure.STOPPED: (503, "service_unavailable"),
}
_OTHERWISE = (502, "upstream_error")
_RETRY_AFTER = ((b"retry-after", b"1"),)
INTERNAL = Problem(
    status=500, message="The gateway failed on this request.", type="server_error", code="internal_error"
)


class _ResponseEvent(msgspec.Struct):
    sequence_number: int = -1
    response: dict[str, msgspec.Raw] | None = None


_read = msgspec.json.Decoder(_ResponseEvent).decode


def problem_of(failure: Failure, model: str) -> Problem:
    """502 for an upstream that is not there or talks nonsense, 504 for one that is late, 503 when we are full."""
    status, code = _STATUSES.get(failure, _OTHERWISE)
    return Problem(
        status=status,
        message=f"The model server of '{model}' {failure.value}.",
        type="server_error",
        code=code,
        headers=_RETRY_AFTER if status == 503 else (),
    )


def busy(text: str) -> Problem:
    """503 for a call that is not taken now, whatever its model."""
    return Problem(
        status=503,
        message=text,
        type="server_error",
        code="service_unavailable",
        headers=((b"retry-after", b"5"),),
    )


def not_recorded(reason: str) -> Problem:
    """503 while calls cannot be recorded."""
    return busy(f"No new calls are taken for now: {reason}.")


def last_event(problem: Problem, style: IdStyle, sent: bytes) -> bytes:
    """How a stream that has begun ends when there will be no more of it; `sent` is what the client got so far.

    A stream of Responses events that has shown its response ends with `response.failed`, for clients take an `error`
    event for the end and would not see what follows it; one that has not, with `error` in its flat and its nested form.
    """
    if style is not IdStyle.RESPONSE:
        return b"data: %b\n\n" % problem.body()
    number = -1
    response: dict[str, msgspec.Raw] | None = None
    for event in events(sent):
        try:
            known = _read(data_of(event))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        number = max(number, known.sequence_number)
        response = known.response or response
    name = "error" if response is None else "response.failed"
    body: dict[str, object] = {"type": name, "sequence_number": number + 1}
    if response is None:
        body |= {"code": problem.code, "message": problem.message, "param": None, "error": problem.inner()}
    else:
        error = {"code": "server_error", "message": problem.message}
        body["response"] = {**response, "status": "failed", "error": error}
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(body))


def unusable(alias: str) -> Problem:
    """No request can be sent to the model's endpoint, as it is set up."""
    return Problem(
        status=502,
        message=f"The endpoint of '{alias}' is not set up correctly. Please contact your administrator.",
        type="server_error",
        code="upstream_error",
    )
