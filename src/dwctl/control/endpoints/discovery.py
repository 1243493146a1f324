"""Asking a server for its models (spec/platform §4.1): `GET {url}/models` as OpenAI, OpenRouter or Anthropic answer."""

import asyncio
from contextlib import suppress
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from dwctl.control.endpoints.structs import UpstreamModel
from dwctl.core.dial import Dialer
from dwctl.core.errors import BadRequest
from dwctl.core.proxies import Proxy
from dwctl.core.reach import NotAllowed

RESOLVED_WITHIN = 5.0
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
    text = checked_url(url, "http://127.0.0.1:8000/v1", with_query=False)
    return text if text.endswith("/") else text + "/"


def checked_url(url: str, example: str, *, with_query: bool) -> str:
    """An address of somebody's server as it is called; raises 400, which names the field and shows an example."""
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
        or (parts.query and not with_query)
        or parts.fragment
        or not text.isascii()
        or len(text) > MAX_URL
    ):
        raise BadRequest(f"url: expected an address such as {example}, got '{url}'")
    if parts.username or parts.password:
        raise BadRequest("url: credentials belong in api_key, not in the address")
    if any(character <= " " or character == "\x7f" for character in text):
        raise BadRequest("url: expected no white space or control characters")
    return text


async def check_allowed(url: str, dialer: Dialer) -> None:
    """Raise 400 for a server that has only addresses that this installation does not call.

    A server that is not known yet may be: it is judged again at each connection.
    """
    with suppress(OSError, ValueError, TimeoutError):
        try:
            if _way(url, dialer) is None:
                async with asyncio.timeout(RESOLVED_WITHIN):
                    await dialer.resolve(*_address(url)[1:])
        except NotAllowed as error:
            raise BadRequest(f"url: {urlsplit(url).hostname}: {error}") from error


async def fetch_models(
    url: str, credential: tuple[str, str] | None, *, timeout: float, dialer: Dialer
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
            content = await _get(url + "models", headers, timeout, dialer)
    except NotAllowed as error:
        raise DiscoveryError(f"{url} may not be called: {error}") from error
    except (OSError, httpx.HTTPError, httpx.InvalidURL, ValueError, TimeoutError) as error:
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


def _address(url: str) -> tuple[str, str, int]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _way(url: str, dialer: Dialer) -> Proxy | None:
    """The proxy that resolves the server's name, if there is one; raises `NotAllowed`."""
    proxy = dialer.way(_address(url))
    if proxy is not None:
        dialer.judge_name(_address(url)[1])
    return proxy


async def _get(url: str, headers: dict[str, str], timeout: float, dialer: Dialer) -> bytes:
    """The body of a 200; other statuses and endless bodies raise `DiscoveryError`.

    The addresses that were judged are asked, one after the other until one answers, by the server's name.
    """
    asked = httpx.URL(url)
    named = {**headers, "host": asked.netloc.decode("ascii")}
    proxy = _way(url, dialer)
    if proxy is not None:
        return await _get_from(
            asked, url, asked.host, headers, httpx.Timeout(timeout), httpx.Proxy(proxy.url)
        )
    found = await dialer.resolve(*_address(url)[1:])
    # An address that swallows everything leaves time for the next one.
    patience = httpx.Timeout(timeout, connect=timeout / len(found))
    failed: httpx.TransportError | None = None
    for *_, address in found:
        place = asked.copy_with(host=address[0])
        try:
            return await _get_from(place, url, asked.host, named, patience)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failed = error
    raise failed or httpx.ConnectError("it has no address")


async def _get_from(
    place: httpx.URL,
    url: str,
    host: str,
    headers: dict[str, str],
    timeout: httpx.Timeout,
    proxy: httpx.Proxy | None = None,
) -> bytes:
    # Reading the authorities takes 30 ms and some megabytes, and without TLS nobody is verified by them.
    verified = place.scheme == "https" or proxy is not None
    async with (
        httpx.AsyncClient(
            timeout=timeout, follow_redirects=False, trust_env=False, proxy=proxy, verify=verified
        ) as client,
        client.stream("GET", place, headers=headers, extensions={"sni_hostname": host}) as response,
    ):
        status = response.status_code
        if status in (401, 403):
            raise DiscoveryError(f"{url} refuses the API key (status {status})")
        if status != 200:
            raise DiscoveryError(f"{url} answered with status {status}; does the address end in /v1?")
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > MAX_REPLY:
                raise DiscoveryError(f"{url} answered with more than {MAX_REPLY} bytes")
        return bytes(content)


def _text(value: object) -> str | None:
    """What a server wrote into an optional field, if it can be kept."""
    return value.replace("\0", "") if isinstance(value, str) else None


def _why_unreachable(url: str, error: Exception, timeout: float) -> str:
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return f"{url} did not answer within {timeout:g} s"
    if isinstance(error, httpx.ConnectError | OSError):
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
