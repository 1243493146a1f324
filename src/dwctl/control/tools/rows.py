"""What is written of a tool source: checked and filled up from what a request says. Pure; raises 400."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UnsetType

from dwctl.control.endpoints.discovery import checked_url
from dwctl.control.endpoints.rows import check_headers
from dwctl.control.tools.structs import ToolSource, ToolSourceCreate, ToolSourceUpdate
from dwctl.core.errors import BadRequest
from dwctl.core.ids import new_uuid

MAX_DESCRIPTION = 8192
MAX_SCHEMA = 64 * 1024
"""Bytes of JSON."""
MAX_TIMEOUT = 600
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class ToolRow(msgspec.Struct, kw_only=True):
    """One row, but for its key."""

    id: UUID
    name: str
    description: str | None
    parameters: dict[str, Any] | None
    url: str
    timeout_secs: int


def new_row(wanted: ToolSourceCreate) -> ToolRow:
    """From the body of POST."""
    check_headers(None, None, wanted.api_key)
    return _checked(
        ToolRow(
            id=new_uuid(),
            name=wanted.name,
            description=wanted.description,
            parameters=wanted.parameters,
            url=wanted.url,
            timeout_secs=wanted.timeout_secs,
        )
    )


def changed_row(current: ToolSource, change: ToolSourceUpdate) -> ToolRow:
    """What is there, with what the body of PATCH sets."""
    check_headers(None, None, None if isinstance(change.api_key, UnsetType) else change.api_key)
    row = ToolRow(**{name: getattr(current, name) for name in ToolRow.__struct_fields__})
    for name in ToolRow.__struct_fields__[1:]:
        value = getattr(change, name)
        if not isinstance(value, UnsetType):
            setattr(row, name, value)
    return _checked(row)


def _checked(row: ToolRow) -> ToolRow:
    if _NAME.fullmatch(row.name) is None:
        raise BadRequest(
            "name: expected 1 to 64 letters, digits, '_' and '-', for models call it by this name"
        )
    if row.description is not None and len(row.description) > MAX_DESCRIPTION:
        raise BadRequest(f"description: expected at most {MAX_DESCRIPTION} characters")
    if not 1 <= row.timeout_secs <= MAX_TIMEOUT:
        raise BadRequest(f"timeout_secs: expected 1 to {MAX_TIMEOUT}, got {row.timeout_secs}")
    if row.parameters is not None:
        _check_schema(row.parameters)
    row.url = checked_url(row.url, "https://tools.example/weather", with_query=True)
    return row


def _check_schema(schema: Mapping[str, Any]) -> None:
    """As far as models need it: the arguments of a function are an object."""
    if schema.get("type", "object") != "object":
        raise BadRequest("parameters.type: expected 'object', for the arguments are a JSON object")
    properties = schema.get("properties", {})
    if not isinstance(properties, dict) or not all(
        isinstance(one, dict | bool) for one in properties.values()
    ):
        raise BadRequest("parameters.properties: expected an object of JSON Schemas")
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise BadRequest("parameters.required: expected a list of names")
    if len(msgspec.json.encode(schema)) > MAX_SCHEMA:
        raise BadRequest(f"parameters: expected at most {MAX_SCHEMA} bytes of JSON")
