"""What a client is told in place of a provider's own words (spec/gateway A1.15 "Error masking"). Pure.

A status that speaks of our account with the provider is none of the client's: its own key is good. It becomes 502.
"""

from typing import Any

import msgspec
from msgspec import Raw

from dwctl.gateway.upstream.response_head import Head
from dwctl.wire.answers.fields import FAULTS, number
from dwctl.wire.errors import Header, Problem

ACCOUNT = frozenset({401, 402, 403, 407, 451})
"""Our credential, our balance, our right to ask there."""
_OTHER_STATUSES = {**dict.fromkeys(ACCOUNT, 502), 408: 504}
_TYPES = {404: "not_found_error", 429: "rate_limit_error"}
_TEXTS = {
    400: "The model server rejected the request as invalid.",
    404: "The model server does not know what was asked for.",
    413: "The request is too large for the model server.",
    422: "The model server could not process the request.",
    429: "The model server's rate limit is exceeded; try again later.",
    502: "The model server cannot serve this request.",
    503: "The model server is not available; try again later.",
    504: "The model server did not answer in time.",
}
_REJECTED = "The model server rejected the request."
_FAILED = "The model server failed."
RESPONSE_CODES = frozenset(
    {
        *("server_error", "rate_limit_exceeded", "invalid_prompt", "data_residency_mismatch", "bio_policy"),
        *("vector_store_timeout", "invalid_image", "invalid_image_format", "invalid_base64_image"),
        *("invalid_image_url", "image_too_large", "image_too_small", "image_parse_error"),
        *("image_content_policy_violation", "invalid_image_mode", "image_file_too_large"),
        *("unsupported_image_media_type", "empty_image_file", "failed_to_download_image"),
        "image_file_not_found",
    }
)
"""The words that `error.code` of a Responses object may be; a provider's own are not among them."""


class _Errors(msgspec.Struct):
    error: Any = None
    type: Any = None


_read = msgspec.json.Decoder(_Errors).decode
_read_error = msgspec.json.Decoder().decode


def masked(status: int, *, strict: bool, headers: tuple[Header, ...] = ()) -> Problem:
    """For an error status of the upstream; one below 400 counts as 502."""
    status = 502 if status < 400 else _OTHER_STATUSES.get(status, status)
    rejected = status < 500
    if strict:
        kind = _TYPES.get(status, "invalid_request_error" if rejected else "api_error")
        code = None
    else:
        kind = "invalid_request_error" if rejected else "server_error"
        code = "upstream_error" if rejected else "internal_error"
    message = _TEXTS.get(status, _REJECTED if rejected else _FAILED)
    return Problem(status=status, message=message, type=kind, code=code, headers=headers)


def malformed(alias: str, *, strict: bool) -> Problem:
    """For an answer of status 2xx that is not as its protocol says."""
    message = f"The model server of '{alias}' gave an answer that cannot be read."
    if strict:
        return Problem(status=502, message=message, type="api_error")
    return Problem(status=500, message=message, type="server_error", code="internal_error")


def retry_after(head: Head) -> tuple[Header, ...]:
    """When the provider says to try again: the one of its headers that a masked error keeps."""
    for line in head.lines.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"retry-after":
            return ((b"retry-after", value.strip()),)
    return ()


def embedded_error(data: bytes) -> tuple[object, bool]:
    """The error that a piece of a stream is instead of what was asked for, and whether it is an event of that type.

    None where there is none; an empty error is none.
    """
    if data.find(b'"error"') < 0:
        return None, False
    try:
        found = _read(data)
    except FAULTS:
        return None, False
    if found.type == "error":
        return found.error or found, True
    return found.error or None, False


def status_in(error: object) -> tuple[int, bool]:
    """The status that an error's `code` names, and whether it names one; 500 otherwise."""
    code = number(error.get("code")) if isinstance(error, dict) else 0
    return (code, True) if 400 <= code <= 599 else (500, False)


def masked_in_stream(error: object, *, strict: bool) -> bytes:
    """An error's envelope in a stream. The code that a stream's client cannot see as a status is kept."""
    status, named = status_in(error)
    problem = masked(status, strict=strict)
    if named:
        problem = msgspec.structs.replace(problem, code=str(problem.status))
    return problem.body()


def masked_in_response(raw: Raw) -> dict[str, str]:
    """`error` of a Responses object: its code where it is one of the protocol's, and our words."""
    try:
        error = _read_error(raw)
    except FAULTS:
        error = None
    code = error.get("code") if isinstance(error, dict) else None
    if not isinstance(code, str) or code not in RESPONSE_CODES:
        code = "rate_limit_exceeded" if status_in(error)[0] == 429 else "server_error"
    message = _TEXTS[429] if code == "rate_limit_exceeded" else _FAILED
    if code not in ("rate_limit_exceeded", "server_error"):
        message = _REJECTED
    return {"code": code, "message": message}
