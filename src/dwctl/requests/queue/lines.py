"""A request that has ended as a line of its batch's output or error file (spec/wire-api §2.8). Pure.

Whatever had an answer shows it, of whatever status; what never got one says why. A line is one line: line breaks
between the tokens of an answer's JSON become spaces.
"""

from uuid import UUID

import msgspec

_encode = msgspec.json.Encoder().encode
_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")


def line_of(
    request_id: UUID,
    custom_id: str | None,
    state: int,
    status_code: int | None,
    body: bytes | None,
    error_code: str | None,
    error_message: str | None,
) -> bytes:
    """The line with its line feed; `body` is JSON."""
    del state
    if body and status_code:
        if b"\n" in body or b"\r" in body:
            body = body.translate(_LINE_BREAKS)
        response = b'{"status_code":%d,"request_id":"resp_%b","body":%b}' % (
            status_code, str(request_id).encode(), body,
        )  # fmt: skip
        error = b"null"
    else:
        response = b"null"
        error = _encode({"code": error_code, "message": error_message})
    return b'{"id":"batch_req_%b","custom_id":%b,"response":%b,"error":%b}\n' % (
        str(request_id).encode(),
        _encode(custom_id),
        response,
        error,
    )
