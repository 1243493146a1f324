"""Errors of the admin API, rendered once (spec/platform §0.5): plain text, JSON for conflicts and for "try later".

Under `/ai` the same errors wear the envelope of the path: OpenAI's, or Anthropic's.
"""

import logging
import math
from collections.abc import Callable
from typing import Any

import asyncpg
from litestar import Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import ExceptionHandlersMap

from dwctl.core.errors import Conflict, Error, TooManyRequests, Unavailable
from dwctl.core.ids import new_id
from dwctl.web.expected import validation_text
from dwctl.web.security import ALWAYS
from dwctl.wire.errors import Problem
from dwctl.wire.messages.problems import problem_for

logger = logging.getLogger(__name__)

API_PREFIXES = ("/admin/api/", "/ai/", "/authentication/")
_TYPES = {401: "invalid_request_error", 402: "insufficient_credits", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 402: "insufficient_credits"}


RETRY_AFTER = 30

DATABASE_AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.TooManyConnectionsError,
)


Pages = Callable[[Request[Any, Any, Any]], Response[Any] | None]
"""Answers what no route takes and no program reads, or gives None."""


def exception_handlers(pages: Pages | None = None) -> ExceptionHandlersMap:
    """For the application; `pages` are what stands outside of its routes."""

    def render_unknown_path(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        shown = None if pages is None or is_api(request.url.path) else pages(request)
        return render_http(request, error) if shown is None else shown

    return {
        Error: render_error,
        NotFoundException: render_unknown_path,
        HTTPException: render_http,
        asyncpg.IntegrityConstraintViolationError: render_broken_rule,
        **dict.fromkeys(DATABASE_AWAY, render_database_away),
        UnicodeDecodeError: render_unreadable,
        RecursionError: render_unreadable,
        Exception: render_unknown,
    }


def render_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """An error of ours."""
    if not isinstance(error, Error):
        return render_unknown(request, error)
    headers = {}
    if isinstance(error, TooManyRequests | Unavailable):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    if error.status == 402:
        headers["x-should-retry"] = "false"
    if isinstance(error, Conflict) and not request.url.path.startswith("/ai/"):
        body = {"message": error.message, **error.body}
        return Response(body, status_code=409, media_type="application/json", headers=ALWAYS)
    if error.status >= 500:
        logger.error("%s %s: %s", request.method, request.url.path, error.message)
    if isinstance(error, TooManyRequests | Unavailable):
        word = "too_many_requests" if error.status == 429 else "unavailable"
        return _try_later(request, error.status, word, error.message, headers)
    return _answer(request, error.status, error.message, headers, error.param, error.code)


def render_http(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """An error of the framework: what it could not parse, find or allow."""
    if isinstance(error, ValidationException):
        return _answer(request, 400, validation_text(request.route_handler, error), {})
    if isinstance(error, NotFoundException):
        return _not_found(request)
    if isinstance(error, MethodNotAllowedException):
        allowed = (error.headers or {}).get("allow", "")
        return _answer(request, 405, f"{request.method} is not allowed here.", {"allow": allowed})
    if isinstance(error, RequestEntityTooLarge):
        most = request.route_handler.resolve_request_max_body_size()
        return _answer(request, 413, f"The request's body is larger than {most} bytes.", {})
    if isinstance(error, ClientException):
        text = f"body: {error.detail}" if error.status_code == 400 else error.detail
        return _answer(request, error.status_code, text, {})
    return render_unknown(request, error)


def render_unreadable(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A body that the JSON reader gives up on."""
    deep = isinstance(error, RecursionError)
    text = "body: nested too deeply" if deep else "body: expected JSON in UTF-8"
    return _answer(request, 400, text, {})


def render_broken_rule(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A rule of the schema that no check saw coming, as when two changes meet."""
    rule = getattr(error, "constraint_name", None) or "a rule of the database"
    logger.warning("%s %s: %s", request.method, request.url.path, error)
    if isinstance(error, asyncpg.UniqueViolationError):
        return render_error(request, Conflict("This exists already.", {"resource": rule}))
    return _answer(request, 400, f"The request breaks {rule}: what it refers to may be gone.", {})


def render_database_away(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The database cannot be reached, or has no connection left."""
    logger.error("%s %s: the database does not answer: %r", request.method, request.url.path, error)
    message = "The database does not answer; try again later."
    return _try_later(request, 503, "unavailable", message, {"retry-after": str(RETRY_AFTER)})


def render_unknown(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A fault: the caller learns nothing, the log everything."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(request, 500, "Internal server error", {})


def is_api(path: str) -> bool:
    """Whether programs read what is answered here."""
    return f"{path}/".startswith(API_PREFIXES)


def _not_found(request: Request[Any, Any, Any]) -> Response[Any]:
    path = request.url.path
    if not is_api(path):
        return _text(404, "There is no page here.", {})
    problem = Problem(status=404, message=f"Unknown endpoint: {request.method} {path}", code="unknown_url")
    return _json(problem_for(path.encode(), problem), {})


def _answer(
    request: Request[Any, Any, Any],
    status: int,
    message: str,
    headers: dict[str, str],
    param: str | None = None,
    code: str | None = None,
) -> Response[Any]:
    if request.url.path.startswith("/ai/"):
        kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
        code = code or _CODES.get(status)
        problem = Problem(status=status, message=message, type=kind, param=param, code=code)
        return _json(problem_for(request.url.path.encode(), problem), headers)
    return _text(status, message, headers)


def _try_later(
    request: Request[Any, Any, Any], status: int, word: str, message: str, headers: dict[str, str]
) -> Response[Any]:
    """Programs wait and ask again, so they are told in JSON how long; the same number stands in the header."""
    if request.url.path.startswith("/ai/"):
        return _answer(request, status, message, headers)
    body = {"error": word, "message": message, "retry_after_seconds": int(headers["retry-after"])}
    return Response(body, status_code=status, media_type="application/json", headers=ALWAYS | headers)


def _json(problem: Problem, headers: dict[str, str]) -> Response[Any]:
    headers = ALWAYS | {"x-request-id": new_id()} | headers
    return Response(
        problem.body(), status_code=problem.status, media_type="application/json", headers=headers
    )


def _text(status: int, message: str, headers: dict[str, str]) -> Response[Any]:
    return Response(message, status_code=status, media_type="text/plain", headers=ALWAYS | headers)
