"""Errors with an HTTP status: raised inside, rendered once at the edge (`web/errors.py`, `wire/errors.py`).

A message is written for the person who caused the error: it names the field, what came and what was expected.
Foreign exceptions are mapped to these where they enter and never leak further.
"""

from typing import Any, ClassVar


class Error(Exception):
    """Base of every error that is meant for someone outside."""

    status: ClassVar[int] = 500

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        """The field that it is about, and in `code` a word for programs: for callers of the AI API."""
        self.code = code


class SetupError(Error):
    """The program cannot start or go on; the message says what to do about it."""


class BadRequest(Error):
    """The request cannot be understood or breaks a rule."""

    status = 400


class Unauthenticated(Error):
    """Nobody knows who is asking."""

    status = 401


class InsufficientCredits(Error):
    """The account has no credit left for this."""

    status = 402


class Forbidden(Error):
    """It is known who is asking, and they may not."""

    status = 403


class NotFound(Error):
    """There is no such thing, or not for the one who asks."""

    status = 404


class TooSlow(Error):
    """What was announced did not come in time."""

    status = 408


class Conflict(Error):
    """It clashes with what is there; `body` is the JSON object of the answer beside the message."""

    status = 409

    def __init__(self, message: str, body: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.body = body or {}


class Unprocessable(Error):
    """It can be understood, and cannot be done as it is asked for."""

    status = 422


class PayloadTooLarge(Error):
    """More bytes than the limit."""

    status = 413


class TooManyRequests(Error):
    """Over a limit of rate; `retry_after` is in seconds."""

    status = 429

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(Error):
    """Something that the answer needs is away for now; `retry_after` is in seconds."""

    status = 503

    def __init__(self, message: str, retry_after: float = 30.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
