"""Asking a server for its models (spec/platform §4.1): `GET {url}/models` as OpenAI, OpenRouter or Anthropic answer."""

import asyncio
import socket
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from dwctl.control.endpoints.structs import UpstreamModel
from dwctl.core.errors import BadRequest
from dwctl.core.reach import EVERYWHERE, NotAllowed, Reach

MAX_REPLY = 16 * 1024 * 1024
MAX_URL = 2048
MAX_NAME = 512
ANTHROPIC_VERSION = "2023-06-01"


class DiscoveryError(Exception):
    """The list could not be had; says why in words for a person."""


class _Listed(msgspec.Struct):
    """Only the id must be as expected: servers fill the rest as they like."""

    id: str
    created: Any = None
    owned_by: Any = None
    name: Any = None
    display_name: Any = None
    description: Any = None


class _List(msgspec.Struct):
    data: list[_Listed]


_decode = msgspec.json.Decoder(_List).decode


def normal_url(url: str) -> str:
    """With a trailing slash; raises 400 for what is no http address."""
    text = url.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or port == 0
        or parts.query
        or parts.fragment
        or not text.isascii()
        or len(text) > MAX_URL
    ):
        raise BadRequest(f"url: expected an address such as http://127.0.0.1:8000/v1, got '{url}'")
    if parts.username or parts.password:
        raise BadRequest("url: credentials belong in api_key, not in the address")
    if any(character <= " " or character == "\x7f" for character in text):
        raise BadRequest("url: expected no white space or control characters")
    return text if text.endswith("/") else text + "/"


async def fetch_models(
    url: str, credential: tuple[str, str] | None, *, timeout: float, reach: Reach = EVERYWHERE
) -> list[UpstreamModel]:
    """The models of a server, each once, in its order; raises `DiscoveryError`."""
    headers = {"accept": "application/json", "user-agent": "dwctl"}
    if credential is not None:
        name, value = credential
        headers[name] = value
    if urlsplit(url).hostname == "api.anthropic.com":
        headers["anthropic-version"] = ANTHROPIC_VERSION
        if credential is not None:
            headers["x-api-key"] = credential[1].removeprefix("Bearer ")
            headers.pop("Authorization", None)
    try:
        async with asyncio.timeout(timeout):
            content = await _get(url + "models", headers, timeout, reach)
    except NotAllowed as error:
        raise DiscoveryError(str(error)) from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TimeoutError) as error:
        raise DiscoveryError(_why_unreachable(url, error, timeout)) from error
    try:
        listed = _decode(content).data
    except msgspec.MsgspecError as error:
        raise DiscoveryError(f"{url}models did not answer with a list of models: {error}") from error
    found = {
        model.id: UpstreamModel(
            id=model.id,
            created=_whole_seconds(model.created),
            owned_by=_text(model.owned_by) or "",
            name=_text(model.name) or _text(model.display_name),
            description=_text(model.description),
        )
        for model in listed
        if model.id.strip() and len(model.id) <= MAX_NAME and "\0" not in model.id
    }
    return list(found.values())


def _whole_seconds(created: object) -> int | None:
    """Unix time; `transformers serve` gives fractions of a second."""
    return int(created) if isinstance(created, int | float) and isfinite(created) else None


async def require_reach(url: str, reach: Reach) -> None:
    """Refuse an address that the gateway would not call; a name that cannot be resolved now is none of that."""
    asked = httpx.URL(url)
    try:
        await reach.addresses(asked.host, asked.port or 443)
    except NotAllowed as error:
        raise BadRequest(f"url: {error}") from error
    except (OSError, ValueError):
        return


async def _get(url: str, headers: dict[str, str], timeout: float, reach: Reach) -> bytes:
    """The body of a 200; other statuses and endless bodies raise `DiscoveryError`."""
    asked = httpx.URL(url)
    try:
        *others, last = await reach.addresses(asked.host, asked.port or 443)
    except socket.gaierror as error:
        raise httpx.ConnectError(str(error)) from error
    # The very addresses that were checked are asked, under the name that they were found by.
    for address in others:
        try:
            return await _get_from(asked, address, headers, timeout)
        except httpx.ConnectError:
            continue
    return await _get_from(asked, last, headers, timeout)


async def _get_from(asked: httpx.URL, address: str, headers: dict[str, str], timeout: float) -> bytes:
    """The same, from one address."""
    headers = {**headers, "host": asked.netloc.decode("ascii")}
    named = {"sni_hostname": asked.host}
    # The gateway asks no proxy of the environment either.
    async with (
        httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False) as client,
        client.stream("GET", asked.copy_with(host=address), headers=headers, extensions=named) as response,
    ):
        status = response.status_code
        if status in (401, 403):
            raise DiscoveryError(f"{asked} refuses the API key (status {status})")
        if status != 200:
            raise DiscoveryError(f"{asked} answered with status {status}; does the address end in /v1?")
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > MAX_REPLY:
                raise DiscoveryError(f"{asked} answered with more than {MAX_REPLY} bytes")
        return bytes(content)


def _text(value: object) -> str | None:
    """What a server wrote into an optional field, if it can be kept."""
    return value.replace("\0", "") if isinstance(value, str) else None


def _why_unreachable(url: str, error: Exception, timeout: float) -> str:
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return f"{url} did not answer within {timeout:g} s"
    if isinstance(error, httpx.ConnectError):
        return f"{url} cannot be reached: {error}. Does the server run, and are host and port right?"
    return f"{url} cannot be asked for its models: {error}"


def model_type(name: str) -> str:
    """The type that a model's name suggests."""
    lowered = name.lower()
    if "rerank" in lowered:
        return "RERANKER"
    if "embed" in lowered or "minilm" in lowered or "bge-" in lowered:
        return "EMBEDDINGS"
    return "CHAT"
