"""Lines of output and error files (spec/wire-api §2.8): made when they are asked for, and measured when a request ends.

Pure, and the only place that knows their shape: `contents.size` is the length of what this gives.
"""

from uuid import UUID

import msgspec

from dwctl.requests.record import State

_encode = msgspec.json.encode


def line_of(
    request_id: UUID,
    custom_id: str | None,
    state: int,
    status_code: int | None,
    body: bytes | None,
    error_code: str | None,
    error_message: str | None,
) -> bytes:
    """One line with its line break.

    What got an answer carries it, whatever its status; what never got one has `response` null and an error.
    """
    response, error = b"null", b"null"
    if status_code is not None and body is not None:
        response = b'{"status_code":%d,"request_id":"resp_%b","body":%b}' % (
            status_code,
            str(request_id).encode("ascii"),
            _one_line(body),
        )
    elif state != State.COMPLETED:
        error = _encode({"code": error_code, "message": error_message or "This request failed."})
    return b'{"id":"batch_req_%b","custom_id":%b,"response":%b,"error":%b}\n' % (
        str(request_id).encode("ascii"),
        _encode(custom_id),
        response,
        error,
    )


def _one_line(body: bytes) -> bytes:
    """The body as a JSON value without line breaks; what is no JSON becomes a text."""
    try:
        body.decode()
        msgspec.json.decode(body, type=msgspec.Raw)
        if b"\n" in body or b"\r" in body:
            return msgspec.json.format(body, indent=-1)
    except (ValueError, RecursionError):
        return _encode(body.decode(errors="replace"))
    return body
