"""Every kind of failure, as it looks under the admin API and under `/ai`."""

import logging

import asyncpg
import msgspec
import pytest
from litestar import get, post
from litestar.params import JSONBody

from dwctl.core.errors import (
    BadRequest,
    Conflict,
    Error,
    Forbidden,
    InsufficientCredits,
    NotFound,
    PayloadTooLarge,
    SetupError,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from dwctl.web.security import ALWAYS
from tests.web.house import Application

ADMIN = "/admin/api/v1/fails"
AI = "/ai/v1/fails"


def failing(error: Exception) -> Application:
    """An application whose routes raise this."""

    @get([ADMIN, AI])
    async def fails() -> None:
        raise error

    return Application([fails])


def unique(constraint: str | None) -> asyncpg.UniqueViolationError:
    """What the driver raises for a name that is taken."""
    error = asyncpg.UniqueViolationError("duplicate key")
    error.constraint_name = constraint
    return error


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (BadRequest("name: expected text"), 400, "name: expected text"),
        (Unauthenticated("Not authenticated"), 401, "Not authenticated"),
        (InsufficientCredits("No credit left"), 402, "No credit left"),
        (
            Forbidden("Insufficient permissions to Read Users"),
            403,
            "Insufficient permissions to Read Users",
        ),
        (NotFound("User with ID 1 not found"), 404, "User with ID 1 not found"),
        (PayloadTooLarge("Too large"), 413, "Too large"),
        (
            asyncpg.ForeignKeyViolationError("x"),
            400,
            "The request breaks a rule of the database: what it refers to may be gone.",
        ),
        (
            asyncpg.CheckViolationError("x"),
            400,
            "The request breaks a rule of the database: what it refers to may be gone.",
        ),
        (RuntimeError("a secret detail"), 500, "Internal server error"),
        (asyncpg.UndefinedTableError("a secret detail"), 500, "Internal server error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_plain_text_and_the_envelope(error: Exception, status: int, text: str) -> None:
    app = failing(error)
    plain = await app.call("GET", ADMIN)
    assert (plain.status_code, plain.text) == (status, text)
    assert plain.headers["content-type"].startswith("text/plain")
    assert plain.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    enveloped = await app.call("GET", AI)
    assert enveloped.status_code == status
    assert enveloped.json()["error"]["message"] == text
    assert set(enveloped.json()["error"]) == {"message", "type", "param", "code"}
    for answer in (plain, enveloped):
        assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS


@pytest.mark.parametrize(
    ("error", "body"),
    [
        (Conflict("Taken.", {"resource": "user"}), {"message": "Taken.", "resource": "user"}),
        (
            Conflict("Taken.", {"conflicts": [{"attempted_alias": "a"}]}),
            {"message": "Taken.", "conflicts": [{"attempted_alias": "a"}]},
        ),
        (unique("some_key"), {"message": "This exists already.", "resource": "some_key"}),
        (unique(None), {"message": "This exists already.", "resource": "a rule of the database"}),
    ],
)
async def test_conflicts_are_json(error: Exception, body: dict[str, object]) -> None:
    answer = await failing(error).call("GET", ADMIN)
    assert (answer.status_code, answer.json()) == (409, body)
    assert answer.headers["content-type"] == "application/json"
    enveloped = await failing(error).call("GET", AI)
    assert (enveloped.status_code, enveloped.json()["error"]["message"]) == (409, body["message"])


@pytest.mark.parametrize(
    ("error", "status", "word", "seconds"),
    [
        (TooManyRequests("Slower.", 0.2), 429, "too_many_requests", 1),
        (TooManyRequests("Slower.", 41.3), 429, "too_many_requests", 42),
        (Unavailable("Later."), 503, "unavailable", 30),
        (OSError("refused"), 503, "unavailable", 30),
        (asyncpg.TooManyConnectionsError("x"), 503, "unavailable", 30),
        (asyncpg.ConnectionDoesNotExistError("x"), 503, "unavailable", 30),
        (asyncpg.AdminShutdownError("x"), 503, "unavailable", 30),
        (TimeoutError(), 503, "unavailable", 30),
    ],
)
async def test_try_later_is_json_and_says_when(
    error: Exception, status: int, word: str, seconds: int
) -> None:
    app = failing(error)
    answer = await app.call("GET", ADMIN)
    assert (answer.status_code, answer.headers["retry-after"]) == (status, str(seconds))
    body = answer.json()
    assert set(body) == {"error", "message", "retry_after_seconds"}
    assert (body["error"], body["retry_after_seconds"]) == (word, seconds)
    enveloped = await app.call("GET", AI)
    assert (enveloped.status_code, enveloped.headers["retry-after"]) == (status, str(seconds))
    assert enveloped.json()["error"]["message"] == body["message"]


async def test_a_fault_is_logged_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        await failing(RuntimeError("a secret detail")).call("GET", ADMIN)
    (record,) = [record for record in caplog.records if record.name == "dwctl.web.errors"]
    assert record.getMessage() == f"GET {ADMIN} failed"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "a secret detail"


@pytest.mark.parametrize("error", [Error("Words for a person."), SetupError("Words for a person.")])
async def test_our_own_errors_keep_their_words(error: Error) -> None:
    answer = await failing(error).call("GET", ADMIN)
    assert (answer.status_code, answer.text) == (500, "Words for a person.")


async def test_envelope_types_follow_the_status() -> None:
    async def kind(error: Exception) -> tuple[str, str | None]:
        found = (await failing(error).call("GET", AI)).json()["error"]
        return found["type"], found["code"]

    assert await kind(Unauthenticated("x")) == ("invalid_request_error", "invalid_api_key")
    assert await kind(TooManyRequests("x", 1)) == ("rate_limit_error", None)
    assert await kind(NotFound("x")) == ("invalid_request_error", None)
    assert await kind(RuntimeError("x")) == ("server_error", None)


@pytest.mark.parametrize("path", ["/admin/api/v1/nothing", "/ai/v1/nothing", "/authentication/nothing"])
async def test_unknown_api_paths_are_json(path: str) -> None:
    answer = await failing(RuntimeError()).call("POST", path, {})
    assert answer.status_code == 404
    assert answer.json() == {
        "error": {
            "message": f"Unknown endpoint: POST {path}",
            "type": "invalid_request_error",
            "param": None,
            "code": "unknown_url",
        }
    }


async def test_other_unknown_paths_are_text() -> None:
    answer = await failing(RuntimeError()).call("GET", "/nothing")
    assert (answer.status_code, answer.text) == (404, "There is no page here.")
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS


async def test_a_wrong_method_names_the_right_ones() -> None:
    answer = await failing(RuntimeError()).call("DELETE", ADMIN)
    assert (answer.status_code, answer.text) == (405, "DELETE is not allowed here.")
    assert "GET" in answer.headers["allow"]


class _Named(msgspec.Struct):
    name: str


async def test_bodies_that_cannot_be_read() -> None:
    @post(ADMIN)
    async def takes(data: JSONBody[_Named]) -> None:
        del data

    app = Application([takes])
    for content, status, text in (
        (b"{", 400, "body: "),
        (b"", 400, "body: expected a JSON object, got nothing"),
        (b'{"name": "\xff"}', 400, "body: "),
        (b"[" * 900, 400, "body: "),
        (b'{"name": "' + b"x" * 2000 + b'"}', 413, ""),
    ):
        answer = await app.call("POST", ADMIN, content=content)
        assert (answer.status_code, answer.text[: len(text)]) == (status, text), content
        assert answer.headers["content-type"].startswith("text/plain")
