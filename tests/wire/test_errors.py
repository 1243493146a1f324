"""OpenAI's error envelope on the wire."""

import msgspec

from dwctl.wire.errors import Problem, render
from dwctl.wire.heads import status_line


def test_an_answer_is_complete() -> None:
    problem = Problem(
        status=401, message='no "key"', code="invalid_api_key", headers=((b"www-authenticate", b"Bearer"),)
    )
    head, _, body = render(problem, b"x-request-id: 1\r\n", keep_alive=False).partition(b"\r\n\r\n")

    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 401 Unauthorized"
    assert b"content-length: %d" % len(body) in lines
    assert {b"www-authenticate: Bearer", b"x-request-id: 1", b"connection: close"} <= set(lines)
    assert msgspec.json.decode(body) == {
        "error": {
            "message": 'no "key"',
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_api_key",
        }
    }


def test_a_status_without_a_name_has_a_line_too() -> None:
    assert status_line(404) == b"HTTP/1.1 404 Not Found\r\n"
    assert status_line(599) == b"HTTP/1.1 599 \r\n"
