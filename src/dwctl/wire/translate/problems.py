"""A chat server's errors in the words of the Responses API (spec/wire-api §1.8, §2.1). Pure."""

import re
from typing import Any

import msgspec

from dwctl.wire.errors import Problem
from dwctl.wire.loose import decoded, error_text, object_of, string_of
from dwctl.wire.translate.request import OTHER_NAMES

MAX_TEXT = 4096
"""Characters of a model server's own words that are repeated."""
LIMITED = "rate_limit_exceeded"
FAILED = "The model server failed."
_HEAD = re.compile(r"[a-z_]+")


def renamed(problem: Problem) -> Problem:
    """The same error, naming the field that the client knows."""
    name = _named(problem.param)
    if name == problem.param or problem.param is None or name is None:
        return problem
    message = problem.message.replace(f"'{problem.param}'", f"'{name}'")
    return msgspec.structs.replace(problem, param=name, message=message)


def problem_of_reply(status: int, body: bytes) -> Problem:
    """What a chat server's error says to a client of the Responses API."""
    return renamed(problem_told(status, body))


def problem_told(status: int, body: bytes) -> Problem:
    """What a model server's error says, in our envelope with all four keys."""
    reply = object_of(decoded(body))
    error = reply.get("error")
    given = object_of(error) or reply
    text = error_text(error) or string_of(reply.get("message")) or string_of(reply.get("detail"))
    status = status if status >= 400 else 502
    return Problem(
        status=status,
        message=text[:MAX_TEXT] or FAILED,
        type=string_of(given.get("type")) or ("invalid_request_error" if status < 500 else "server_error"),
        param=string_of(given.get("param")) or None,
        code=string_of(given.get("code")) or None,
    )


def problem_of_error(error: object) -> Problem:
    """An error that stands in a stream in place of a chunk."""
    given = object_of(error)
    code: Any = given.get("code")
    limited = code in (429, "429", LIMITED) or given.get("type") == "rate_limit_error"
    return Problem(
        status=429 if limited else 500,
        message=error_text(error)[:MAX_TEXT] or FAILED,
        type="server_error",
        code=LIMITED if limited else "server_error",
    )


def failure_of(problem: Problem) -> dict[str, str]:
    """`error` of a response that failed; its codes are a closed list."""
    code = LIMITED if problem.status == 429 else "server_error"
    return {"code": code, "message": problem.message}


def _named(param: str | None) -> str | None:
    """The field of the Responses API for one of a chat; the inside of a conversation cannot be told apart."""
    head = _HEAD.match(param or "")
    return param if head is None else OTHER_NAMES.get(head[0], param)
