"""A line of an output or error file is one line of JSON, whatever the model server sent."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dwctl.core.ids import new_uuid
from dwctl.requests.queue.lines import json_of, line_of
from dwctl.requests.record import State

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
ENDS = st.sampled_from((State.COMPLETED, State.FAILED, State.CANCELED))


def _fail(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def read(line: bytes) -> dict[str, Any]:
    """The object of a line that is one."""
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    found: dict[str, Any] = json.loads(line.decode("utf-8"), parse_constant=_fail)
    return found


@given(
    ident=st.uuids(),
    custom_id=st.none() | TEXT,
    state=ENDS,
    status=st.none() | st.integers(100, 599),
    body=st.none() | st.binary() | VALUES.map(lambda value: json.dumps(value, indent=2).encode()),
    code=st.none() | TEXT,
    message=st.none() | TEXT,
)
def test_it_is_always_one_line_of_json(
    ident: UUID,
    custom_id: str | None,
    state: State,
    status: int | None,
    body: bytes | None,
    code: str | None,
    message: str | None,
) -> None:
    found = read(line_of(ident, custom_id, state, status, body, code, message))
    assert list(found) == ["id", "custom_id", "response", "error"]
    assert (found["id"], found["custom_id"]) == (f"batch_req_{ident}", custom_id)
    assert (found["response"] is None) != (found["error"] is None)
    if found["error"] is not None:
        assert found["error"]["code"] == code
        assert found["error"]["message"]


@given(VALUES, st.sampled_from((None, 2)))
def test_a_json_body_comes_through(value: Any, indent: int | None) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=False).encode()
    line = line_of(new_uuid(), "a", State.COMPLETED, 200, body, None, None)
    assert read(line)["response"]["body"] == value
    if indent is None:
        assert body in line


@given(st.binary())
@example(b'"\\ud800"')
@example(b"[NaN]")
@example(b"[" * 5000 + b"]" * 5000)
@example(b'{"a":1} {"b":2}')
@example(b'"\xed\xa0\x80"')
@example(b"")
def test_what_is_no_json_becomes_a_string(body: bytes) -> None:
    found = json.loads(json_of(body), parse_constant=_fail)
    text = body.decode(errors="replace")
    try:
        expected = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        expected = text
    assert found == expected


@pytest.mark.parametrize(
    ("state", "status", "body", "response", "error"),
    [
        (State.COMPLETED, 200, b'{"n":1}', {"status_code": 200, "body": {"n": 1}}, None),
        (State.FAILED, 400, b'{"error":{}}', {"status_code": 400, "body": {"error": {}}}, None),
        (State.FAILED, None, None, None, {"code": "c", "message": "m"}),
        (State.FAILED, 504, None, None, {"code": "c", "message": "m"}),
        (State.CANCELED, 499, b"{}", None, {"code": "c", "message": "m"}),
    ],
)
def test_shapes(state: State, status: int | None, body: bytes | None, response: Any, error: Any) -> None:
    ident = new_uuid()
    if response is not None:
        response["request_id"] = f"resp_{ident}"
    found = read(line_of(ident, "one", state, status, body, "c", "m"))
    assert (found["response"], found["error"]) == (response, error)


def test_a_number_too_large_for_a_float_stays_json() -> None:
    body = b'{"half":"\\ud800",\r\n"much":1e999}'
    line = line_of(new_uuid(), "a", State.COMPLETED, 200, body, None, None)
    assert b'"body":{"half":"\\ud800","much":1e999}' in line
    read(line)
