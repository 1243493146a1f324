"""What is written of an endpoint: checked and filled up from what a request says. Pure."""

import re
from collections.abc import Iterable

import msgspec
from msgspec import UnsetType

from dwctl.control.endpoints.discovery import normal_url
from dwctl.control.endpoints.store import EndpointRow
from dwctl.control.endpoints.structs import Endpoint, EndpointCreate, EndpointUpdate
from dwctl.control.limits import EndpointLimits, limits_in
from dwctl.core.errors import BadRequest
from dwctl.core.ids import new_uuid

AUTH_HEADER = "Authorization"
AUTH_PREFIX = "Bearer "
MAX_NAME = 255
MAX_ALIAS = 512
MAX_KEY = 8192
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_HEADER_VALUE = re.compile(r"[\t -~]*")


def credential(key: str | None, name: str | None, prefix: str | None) -> tuple[str, str] | None:
    """The header that carries an upstream's key."""
    if key is None:
        return None
    return name or AUTH_HEADER, f"{AUTH_PREFIX if prefix is None else prefix}{key}"


def new_row(wanted: EndpointCreate) -> EndpointRow:
    """From the body of POST; raises 400."""
    _check_name(wanted.name)
    check_aliases(wanted.alias_mapping)
    _check_filter(wanted.model_filter)
    check_headers(wanted.auth_header_name, wanted.auth_header_prefix, wanted.api_key)
    prefix = wanted.auth_header_prefix
    return EndpointRow(
        id=new_uuid(),
        name=wanted.name.strip(),
        description=wanted.description,
        url=normal_url(wanted.url),
        api_key=wanted.api_key or None,
        auth_header_name=wanted.auth_header_name or AUTH_HEADER,
        auth_header_prefix=AUTH_PREFIX if prefix is None else prefix,
        model_filter=wanted.model_filter,
        limits=_limits(EndpointLimits(), wanted),
        timeouts=wanted.timeouts,
    )


def changed_row(current: Endpoint, key: str | None, change: EndpointUpdate) -> EndpointRow:
    """What is there, with what the body of PATCH sets; raises 400."""
    if isinstance(change.model_filter, list):
        _check_filter(change.model_filter)
    if isinstance(change.name, str):
        _check_name(change.name)
    name = None if isinstance(change.auth_header_name, UnsetType) else change.auth_header_name
    prefix = None if isinstance(change.auth_header_prefix, UnsetType) else change.auth_header_prefix
    new_key = None if isinstance(change.api_key, UnsetType) else change.api_key
    check_headers(name, prefix, new_key)
    return EndpointRow(
        id=current.id,
        name=current.name if isinstance(change.name, UnsetType) else change.name.strip(),
        description=_kept(change.description, current.description),
        url=current.url if isinstance(change.url, UnsetType) else normal_url(change.url),
        api_key=key if isinstance(change.api_key, UnsetType) else change.api_key or None,
        auth_header_name=current.auth_header_name
        if isinstance(change.auth_header_name, UnsetType)
        else change.auth_header_name or AUTH_HEADER,
        auth_header_prefix=current.auth_header_prefix
        if isinstance(change.auth_header_prefix, UnsetType)
        else (AUTH_PREFIX if change.auth_header_prefix is None else change.auth_header_prefix),
        model_filter=current.model_filter
        if isinstance(change.model_filter, UnsetType)
        else change.model_filter,
        limits=_limits(limits_of(current), change),
        timeouts=current.timeouts if isinstance(change.timeouts, UnsetType) else change.timeouts,
    )


def limits_of(endpoint: Endpoint) -> EndpointLimits:
    """Those that it has."""
    return msgspec.convert(endpoint, EndpointLimits, from_attributes=True)


def _limits(current: EndpointLimits, change: EndpointCreate | EndpointUpdate) -> EndpointLimits:
    return msgspec.convert({**msgspec.structs.asdict(current), **limits_in(change)}, EndpointLimits)


def _kept(change: str | UnsetType | None, current: str | None) -> str | None:
    return current if isinstance(change, UnsetType) else change


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME:
        raise BadRequest(f"name: expected 1 to {MAX_NAME} characters that are not all blank")


def check_headers(name: str | None, prefix: str | None, key: str | None) -> None:
    """Raise 400 for what cannot stand in a header."""
    if name is not None and name and _HEADER_NAME.fullmatch(name) is None:
        raise BadRequest(f"auth_header_name: expected the name of a header, got '{name}'")
    _check_value("auth_header_prefix", prefix, MAX_NAME)
    _check_value("api_key", key, MAX_KEY)


def _check_value(field: str, text: str | None, most: int) -> None:
    if text is not None and (len(text) > most or _HEADER_VALUE.fullmatch(text) is None):
        raise BadRequest(f"{field}: expected at most {most} printable ASCII characters")


def check_aliases(mapping: dict[str, str] | None) -> None:
    """Raise 400 for a name or alias that no model can have."""
    for name, alias in (mapping or {}).items():
        _check_model_name("alias_mapping", name)
        _check_model_name("alias_mapping", alias)


def differs(row: EndpointRow, current: Endpoint) -> bool:
    """Whether routing sees the change; `row` is without a key."""
    return current.requires_api_key or (
        row.name,
        row.url,
        row.auth_header_name,
        row.auth_header_prefix,
        row.limits,
        row.timeouts,
    ) != (
        current.name,
        current.url,
        current.auth_header_name,
        current.auth_header_prefix,
        limits_of(current),
        current.timeouts,
    )


def _check_filter(names: Iterable[str] | None) -> None:
    for name in names or ():
        _check_model_name("model_filter", name)


def _check_model_name(field: str, name: str) -> None:
    if not name.strip() or len(name) > MAX_ALIAS:
        raise BadRequest(f"{field}: expected names of 1 to {MAX_ALIAS} characters that are not all blank")
