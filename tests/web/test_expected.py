"""What is said about a request that is not as expected: the field, and what was expected."""

from typing import Any, Literal
from uuid import UUID

import msgspec
import pytest
from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import UNSET, UnsetType

from dwctl.web.body import Body
from tests.web.house import Application

Color = Literal["red", "blue"]


class _Inner(msgspec.Struct):
    count: int


class _Wanted(Body, kw_only=True):
    name: str
    color: Color = "red"
    colors: list[Color] = msgspec.field(default_factory=list)
    inner: _Inner | None = None
    note: str | UnsetType | None = UNSET
    anything: dict[str, Any] | None = None
    metadata: _Inner | None = None


@post("/wanted")
async def _wanted(data: JSONBody[_Wanted]) -> dict[str, str]:
    note = "absent" if data.note is UNSET else "null" if data.note is None else str(data.note)
    return {"name": data.name, "note": note}


@get("/rows/{row_id:uuid}")
async def _rows(
    row_id: FromPath[UUID], limit: FromQuery[int] = 10, color: FromQuery[Color | None] = None
) -> str:
    return f"{row_id} {limit} {color}"


APPLICATION = Application([_wanted, _rows])
ROW = UUID(int=1)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "name: expected, but it is not there"),
        ({"name": None}, "name: expected str, got null"),
        ({"name": 1}, "name: expected str, got int"),
        ({"name": "a", "note": 1.5}, "note: expected str | null, got float"),
        ({"name": "a", "color": "green"}, "color: expected one of blue, red, got 'green'"),
        ({"name": "a", "colors": ["red", "green"]}, "colors[1]: expected one of blue, red, got 'green'"),
        ({"name": "a", "colors": "red"}, "colors: expected array, got str"),
        ({"name": "a", "inner": {}}, "inner.count: expected, but it is not there"),
        ({"name": "a", "inner": {"count": "one"}}, "inner.count: expected int, got str"),
        ({"name": "a", "metadata": {"count": "one"}}, "metadata.count: expected int, got str"),
        ({"name": "a", "metadata": {}}, "metadata.count: expected, but it is not there"),
        ({"name": "a", "metadata": 1}, "metadata: expected object | null, got int"),
        ({"name": "a\0"}, "name: expected text without NUL characters"),
        ({"name": "a", "note": "\0"}, "note: expected text without NUL characters"),
        ({"name": "a", "anything": {"b": ["\0"]}}, "anything: expected text without NUL characters"),
        ({"name": "a", "anything": {"\0": 1}}, "anything: expected text without NUL characters"),
        ("text", "body: expected object, got str"),
        ([1], "body: expected object, got array"),
    ],
)
async def test_bodies(body: object, text: str) -> None:
    answer = await APPLICATION.call("POST", "/wanted", body)
    assert (answer.status_code, answer.text) == (400, text)


@pytest.mark.parametrize(
    ("body", "note"),
    [({}, "absent"), ({"note": None}, "null"), ({"note": "x"}, "x"), ({"unheard": {"of": 1}}, "absent")],
)
async def test_null_is_not_absent_and_unknown_fields_are_ignored(body: dict[str, object], note: str) -> None:
    answer = await APPLICATION.call("POST", "/wanted", {"name": "a", **body})
    assert (answer.status_code, answer.json()) == (201, {"name": "a", "note": note})


@pytest.mark.parametrize(
    ("query", "name", "expected"),
    [
        ("limit=ten", "limit", "expected int, got str"),
        ("limit=1.5", "limit", "expected int, got"),
        ("color=green", "color", "expected one of blue, red, got 'green'"),
    ],
)
async def test_query_parameters(query: str, name: str, expected: str) -> None:
    answer = await APPLICATION.call("GET", f"/rows/{ROW}?{query}")
    assert answer.status_code == 400
    assert answer.text.startswith(f"{name}: {expected}")


async def test_unknown_query_parameters_are_ignored() -> None:
    answer = await APPLICATION.call("GET", f"/rows/{ROW}?limit=7&color=blue&unheard=of")
    assert (answer.status_code, answer.text) == (200, f"{ROW} 7 blue")


async def test_every_wrong_parameter_is_told() -> None:
    answer = await APPLICATION.call("GET", f"/rows/{ROW}?limit=x&color=green")
    assert "limit: expected int" in answer.text
    assert "color: expected one of blue, red" in answer.text


async def test_a_path_without_an_id_is_not_there() -> None:
    assert (await APPLICATION.call("GET", "/rows/x")).status_code == 404
