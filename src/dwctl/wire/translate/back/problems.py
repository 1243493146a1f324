"""The errors of a server that speaks the Responses API, in the words of a chat. Pure."""

import re

import msgspec

from dwctl.wire.errors import Problem
from dwctl.wire.loose import error_text, object_of, string_of
from dwctl.wire.translate.problems import FAILED, LIMITED, MAX_TEXT, problem_told

NO_RESPONSE = Problem(
    status=502,
    message="The model server's answer is no response.",
    type="server_error",
    code="upstream_error",
)
_INVALID = re.compile(
    r"invalid_|image_|unsupported_|empty_image|failed_to_download_image|context_length|bio_policy|data_residency"
)
"""What codes begin with that blame the request."""
_NAMES = {
    "input": "messages",
    "text.verbosity": "verbosity",
    "text": "response_format",
    "reasoning": "reasoning_effort",
    "include": "logprobs",
}


def problem_of_reply(status: int, body: bytes, asked: bytes) -> Problem:
    """What an answer with the status of an error says; `asked` is the client's own body."""
    return in_chats(problem_told(status, body), asked)


def in_chats(problem: Problem, asked: bytes) -> Problem:
    """The same error, naming the field that the client knows."""
    param = problem.param
    name = None if param is None else _named(param, asked)
    if param is None or name is None:
        return problem
    return msgspec.structs.replace(
        problem, param=name, message=problem.message.replace(f"'{param}'", f"'{name}'")
    )


def problem_of_failure(error: object) -> Problem:
    """A response that failed, or an error in place of one: with the status that it would have had by itself."""
    given = object_of(error)
    code, kind = str(given.get("code") or ""), string_of(given.get("type"))
    status = 500
    if len(code) == 3 and code.isascii() and code.isdigit() and 400 <= int(code) < 600:
        status = int(code)
    elif code == LIMITED or kind in ("rate_limit_error", "too_many_requests"):
        status = 429
    elif _INVALID.match(code) or kind in ("invalid_request_error", "invalid_request"):
        status = 400
    return Problem(
        status=status,
        message=error_text(error)[:MAX_TEXT] or FAILED,
        type="invalid_request_error" if status < 500 and status != 429 else "server_error",
        code=code or None,
    )


def _named(param: str, asked: bytes) -> str | None:
    """A chat's field for one of the Responses API; None where it is the same one."""
    if param == "max_output_tokens":
        return "max_completion_tokens" if b'"max_completion_tokens"' in asked else "max_tokens"
    for name, ours in _NAMES.items():
        if param == name or param.startswith((f"{name}.", f"{name}[")):
            return ours
    return None
