"""The OpenAPI documents tell every route as it is, and the pages that show them ask no other host."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.routes import HTTPRoute
from msgspec import inspect

from dwctl.control.app import TITLE
from dwctl.gateway.routes import ROUTES
from tests.control.house import ADMIN, House

DOCUMENTS = ["/admin/openapi.json", "/ai/openapi.json"]
METHODS = {"get", "put", "post", "delete", "patch", "head"}


async def document(house: House, path: str) -> dict[str, Any]:
    """A document."""
    answer = await house.call("GET", path)
    assert answer.status_code == 200
    assert "json" in answer.headers["content-type"]
    found: dict[str, Any] = answer.json()
    return found


def operations(found: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each operation."""
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a document."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_documents_are_well_formed(house: House, path: str) -> None:
    found = await document(house, path)
    assert found["openapi"].startswith("3.1")
    assert TITLE in found["info"]["title"]
    assert found["info"]["version"] == "1.2.3"
    ids = [operation["operationId"] for _, _, operation in operations(found)]
    assert len(ids) == len(set(ids))
    schemes = found["components"]["securitySchemes"]
    for method, where, operation in operations(found):
        assert method in METHODS
        assert operation["summary"], where
        assert operation["tags"], where
        assert any(status.startswith("2") for status in operation["responses"]), where
        assert all(response["description"] for response in operation["responses"].values()), where
        given = {item["name"] for item in operation.get("parameters", ()) if item["in"] == "path"}
        assert given == set(re.findall(r"{(\w+)}", where)), where
        for alternative in operation.get("security", ()):
            assert set(alternative) <= set(schemes)


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_every_reference_leads_somewhere(house: House, path: str) -> None:
    found = await document(house, path)
    references = {node["$ref"] for node in nodes(found) if isinstance(node.get("$ref"), str)}
    assert references
    for reference in references:
        at: Any = found
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]
        assert isinstance(at, dict)


async def test_the_admin_document_has_every_route(house: House) -> None:
    found = await document(house, "/admin/openapi.json")
    told = {(method.upper(), path) for method, path, _ in operations(found)}
    served = {
        (method, route.path_format)
        for route in house.app.routes
        if isinstance(route, HTTPRoute) and route.path_format.startswith((ADMIN, "/authentication/"))
        for method in route.methods
        if method != "OPTIONS"
    }
    assert told == served
    assert not any(path.startswith("/ai/") for _, path in told)


async def test_the_ai_document_has_every_route_of_the_gateway(house: House) -> None:
    found = await document(house, "/ai/openapi.json")
    told = {path for _, path, _ in operations(found)}
    inference = {path.decode() for path in ROUTES}
    served = {route.path_format for route in house.app.routes if route.path_format.startswith("/ai/v1/")}
    assert told - inference - served == {
        *("/ai/v1/models", "/ai/v1/models/{model}"),
    }
    assert served <= told
    assert inference <= told


async def test_the_admin_document_tells_the_errors(house: House) -> None:
    found = await document(house, "/admin/openapi.json")
    paths = found["paths"]
    create = paths[f"{ADMIN}/groups"]["post"]["responses"]
    assert set(create) == {"201", "400", "401", "403", "409"}
    assert create["403"]["content"] == {"text/plain": {"schema": {"type": "string"}}}
    assert create["409"]["content"]["application/json"]["schema"]["$ref"].endswith("/Conflict")
    assert set(paths[f"{ADMIN}/groups/{{group_id}}"]["delete"]["responses"]) == {
        *("204", "400", "401", "403", "404"),
    }
    assert "401" not in paths["/authentication/logout"]["post"]["responses"]
    assert set(paths[f"{ADMIN}/models"]["post"]["responses"]) >= {"200"}
    assert set(paths[f"{ADMIN}/models/{{model_id}}"]["delete"]["responses"]) >= {"200"}


async def test_secrets_go_in_but_not_out(house: House) -> None:
    found = await document(house, "/admin/openapi.json")
    schemas = found["components"]["schemas"]
    assert "api_key" in schemas["EndpointCreate"]["properties"]
    assert "api_key" not in schemas["Endpoint"]["properties"]
    assert not {"password", "password_hash"} & set(schemas["User"]["properties"])
    assert "key" not in schemas["ApiKey"].get("required", ())


@pytest.mark.parametrize("path", ["/admin/docs", "/admin/docs/", "/ai/docs", "/ai/docs/"])
async def test_pages_show_a_document_without_other_hosts(house: House, path: str) -> None:
    answer = await house.call("GET", path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    page = answer.text
    assert f"<title>{TITLE}</title>" in page
    name = path.strip("/").split("/")[0]
    assert f'data-document="/{name}/openapi.json"' in page
    assert re.findall(r"(?:https?:)?//[a-z0-9]+[.:][^\s\"']*", page) == []
    assert re.findall(r"<(?:link|img|iframe|script src|base|object)\b", page) == []
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_no_field_of_a_body_is_called_like_a_dependency(house: House) -> None:
    """The framework takes an error at such a name for a fault of ours and answers 500."""
    looked_at = 0
    for route in house.app.routes:
        for handler in getattr(route, "route_handlers", ()):
            parameters = handler.parsed_fn_signature.parameters
            if "data" not in parameters:
                continue
            body = inspect.type_info(parameters["data"].annotation)
            while isinstance(body, inspect.Metadata):
                body = body.type
            assert isinstance(body, inspect.StructType)
            names = {field.encode_name for field in body.fields}
            assert not names & set(handler.resolve_dependencies()), handler
            looked_at += 1
    assert looked_at >= 10
