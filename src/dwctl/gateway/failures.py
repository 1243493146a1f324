"""What the client is told when an upstream does not deliver (spec/gateway A1.12). Pure."""

import msgspec

from dwctl.gateway.routes import IdStyle
from dwctl.gateway.upstream.connection import TIMEOUTS, Failure
from dwctl.wire.errors import Problem


def problem_of(failure: Failure, model: str) -> Problem:
    """502 for an upstream that is not there or talks nonsense, 504 for one that is late, 503 when we are full."""
    if failure in TIMEOUTS:
        status, code = 504, "gateway_timeout"
    elif failure is Failure.BUSY:
        status, code = 503, "service_unavailable"
    else:
        status, code = 502, "upstream_error"
    return Problem(
        status=status,
        message=f"The model server of '{model}' {failure.value}.",
        type="server_error",
        code=code,
        headers=((b"retry-after", b"1"),) if failure is Failure.BUSY else (),
    )


def stream_error(problem: Problem, style: IdStyle) -> bytes:
    """The failure as the last event of a stream that has begun."""
    if style is IdStyle.RESPONSE:
        body = {"type": "error", **problem.inner(), "error": problem.inner()}
        return b"event: error\ndata: %b\n\n" % msgspec.json.encode(body)
    return b"data: %b\n\n" % problem.body()
