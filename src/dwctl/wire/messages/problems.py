"""Errors as clients of Anthropic's Messages API know them: their envelope, types and statuses. Pure."""

import msgspec

from dwctl.wire.errors import Problem

PREFIX = b"/ai/v1/messages"
_STATUSES = {422: 400, 503: 529}
"""Where that API has a status of its own for the same thing."""
_NAMES: dict[str | None, str] = {"stop": "stop_sequences"}
"""Fields that a chat has another name for."""
_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class MessagesProblem(Problem, frozen=True, kw_only=True):
    """A failure as the client of `/ai/v1/messages` sees it; `type` is one of that API's."""

    def body(self) -> bytes:
        """The JSON body."""
        return msgspec.json.encode(
            {"type": "error", "error": {"type": self.type, "message": self.message}, "request_id": None}
        )


def status_of(status: int) -> int:
    """The status of that API for one of ours or of a model server; 502 for one that is no error."""
    return _STATUSES.get(status, status) if status >= 400 else 502


def type_of(status: int) -> str:
    """The error's type by its status."""
    return _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


def in_messages(problem: Problem) -> MessagesProblem:
    """One of our errors, for such a client."""
    if isinstance(problem, MessagesProblem):
        return problem
    status, param, message = status_of(problem.status), problem.param, problem.message
    if param in _NAMES:
        message = message.replace(f"'{param}'", f"'{_NAMES[param]}'")
    return MessagesProblem(
        status=status,
        message=message,
        type=type_of(status),
        param=param,
        code=problem.code,
        headers=problem.headers,
    )


def problem_for(path: bytes, problem: Problem) -> Problem:
    """The error in the language of the path that was asked for."""
    return in_messages(problem) if path == PREFIX or path.startswith(PREFIX + b"/") else problem
