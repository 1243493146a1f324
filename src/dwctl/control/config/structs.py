"""Configuration as pages see it; nothing secret is in it."""

import msgspec
from msgspec import UNSET, UnsetType


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Of the gateway."""

    strict_mode: bool


class AsyncRequestConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Of single calls that are queued."""

    enabled: bool
    completion_window: str
    """What a flex call promises."""


class BatchConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Of batches."""

    enabled: bool
    allowed_completion_windows: list[str]
    allowed_url_paths: list[str]
    async_requests: AsyncRequestConfig


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered."""

    region: str | None
    organization: str | None
    title: str | None
    payment_enabled: bool
    docs_url: str | None
    docs_jsonl_url: str | None
    ai_api_base_url: str | UnsetType = UNSET
    onwards: GatewayConfig
    batches: BatchConfig | UnsetType = UNSET
    """Only where there are batches."""
