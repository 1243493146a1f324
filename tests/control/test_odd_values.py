"""Odd values in every field and parameter of every route: a success, or a refusal that names a field; never a fault."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.control.house import ADMIN, House
from tests.control.model_server import ModelServer
from tests.control.test_permissions import TABLE, filled, fresh

ODD_VALUES = (
    *("null", "true", "0", "-1", "1.5", "1e400", "-1e400", "1e-400", str(2**31), str(2**63), str(10**40)),
    *('""', '" "', '"\\u0000"', '"\\ud800"', '"a\\udfff"', '"\\u202e\\uffff"', '"\'; drop table users; --"'),
    *("[]", "[null]", '[""]', '["\\ud800"]', "{}", '{"": ""}', '{"a": null}', '{"\\ud800": "\\ud800"}'),
    *('"00000000-0000-0000-0000-000000000000"', '"9999-12-31T23:59:59Z"', '"0001-01-01T00:00:00+14:00"'),
    f'"{"x" * 70000}"',
    f"{'[' * 2000}{']' * 2000}",
)
ODD_PARAMETERS = (
    *("", " ", "-1", "0", "1.5", str(2**31), str(2**63), str(10**40), "true", "null", "NaN", "%", "_", "\\"),
    *(
        "\0",
        "a,,b",
        "'; drop table users; --",
        "00000000-0000-0000-0000-000000000000",
        "\N{REPLACEMENT CHARACTER}",
    ),
)


@pytest.fixture
async def document(house: House) -> dict[str, Any]:
    """The admin API's document, which names every field and parameter."""
    found: dict[str, Any] = (await house.call("GET", "/admin/openapi.json")).json()
    return found


def fields(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    """Of a body."""
    schema = next(iter(operation["requestBody"]["content"].values()))["schema"]
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return list(schema["properties"])


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


@pytest.mark.long
async def test_bodies(house: House, model_server: ModelServer, document: dict[str, Any]) -> None:
    admin = await house.admin()
    faults = []
    for method, path, operation in operations(document):
        if "requestBody" not in operation:
            continue
        around = await fresh(house, model_server, f"{path} {TABLE[method, path].body}")
        url = path.format(**around.names)
        known = fields(document, operation)
        for field in known:
            for value in ODD_VALUES:
                body = filled(TABLE[method, path].body or {}, {**around.names, "n": house.number()})
                body.pop(field, None)
                rest = json.dumps(body)[1:-1]
                content = f'{{"{field}": {value}{", " if rest else ""}{rest}}}'.encode()
                answer = await house.call(method, url, admin, content=content)
                named = answer.status_code != 400 or answer.text.startswith(("body", *known))
                if answer.status_code >= 500 or (path.startswith(ADMIN) and not named):
                    faults.append(f"{method} {path} {field}={value[:40]}: {answer.status_code} {answer.text}")
    assert faults == []


async def test_parameters(house: House, model_server: ModelServer, document: dict[str, Any]) -> None:
    admin = await house.admin()
    around = await fresh(house, model_server, " ".join(path for _, path in TABLE))
    faults = []
    for method, path, operation in operations(document):
        names = [item["name"] for item in operation.get("parameters", ()) if item["in"] == "query"]
        for name in names:
            for value in ODD_PARAMETERS:
                url = f"{path.format(**around.names)}?{name}={quote(value, safe='')}"
                answer = await house.call(method, url, admin)
                if answer.status_code >= 500:
                    faults.append(f"{method} {path} {name}={value!r}: {answer.status_code}")
            raw = await house.call(method, f"{path.format(**around.names)}?{name}=%ff%fe", admin)
            if raw.status_code >= 500:
                faults.append(f"{method} {path} {name}=%ff%fe: {raw.status_code}")
    assert faults == []
