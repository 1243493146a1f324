"""Lines of output and error files (spec/wire-api §2.8). Pure.

What has an answer has it in `response`, whatever its status: in the output file when it completed, else in the error
file, with `error` null in both. What never got an answer has `response` null and says why in `error`. The answer's JSON
is put in as it came; only line breaks between its members go, so that a line is one line.
"""

import json
from uuid import UUID

import msgspec

from dwctl.requests.record import State

_raw = msgspec.json.Decoder(msgspec.Raw).decode
_encode = msgspec.json.Encoder().encode
_NEVER_RAN = "The request was not run."


def line_of(
    request_id: UUID,
    custom_id: str | None,
    state: int,
    status_code: int | None,
    body: bytes | None,
    error_code: str | None,
    error_message: str | None,
) -> bytes:
    """The line of a request that has ended, with its line break."""
    name = _encode(custom_id)
    if state == State.COMPLETED or (state == State.FAILED and status_code is not None and body is not None):
        shown = b"null" if body is None else json_of(body)
        return (
            b'{"id":"batch_req_%b","custom_id":%b,"response":{"status_code":%d,"request_id":"resp_%b","body":%b},'
            b'"error":null}\n' % (ident := str(request_id).encode(), name, status_code or 200, ident, shown)
        )
    error = _encode({"code": error_code, "message": error_message or _NEVER_RAN})
    return b'{"id":"batch_req_%b","custom_id":%b,"response":null,"error":%b}\n' % (
        str(request_id).encode(),
        name,
        error,
    )


def json_of(body: bytes) -> bytes:
    """The body as a JSON value on one line: itself, or what is no JSON as a string.

    Bytes that are no UTF-8 are replaced.
    """
    try:
        if not body.isascii():
            body.decode()
        found = bytes(_raw(body))
        return msgspec.json.format(found, indent=-1) if b"\n" in found or b"\r" in found else found
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _anyway(body.decode(errors="replace"))


def _anyway(text: str) -> bytes:
    """What the strict reader refuses: half of a surrogate pair in an escape is JSON all the same.

    It is given back as it came, for a number such as 1e999 is JSON too, and is none any more when Python has read it.
    Line breaks stand between its members only: within a text they would be refused.
    """
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _encode(text)
    return text.replace("\n", "").replace("\r", "").encode()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
