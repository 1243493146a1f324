"""Settings of the gateway."""

from typing import Annotated

import msgspec

from dwctl.core.reach import NetworkSettings
from dwctl.core.settings import Duration
from dwctl.gateway.tools.settings import ToolSettings
from dwctl.gateway.uploads.settings import UploadSettings

MIB = 1024 * 1024


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How model servers are called. Each limit of time ends an attempt with 502 or 504."""

    connect_timeout: Duration = Duration(10)
    """Name resolution, TCP and TLS."""
    first_byte_timeout: Duration = Duration(600)
    """From the last byte of the request to the head of the answer."""
    idle_timeout: Duration = Duration(300)
    """Between two reads of an answer."""
    total_timeout: Duration = Duration(3600)
    """From the admission of a call to the last byte of its answer."""
    max_connections: int = 1024
    """To one origin (scheme, host and port)."""
    max_waiting: int = 4096
    """Calls that wait for a connection to one origin; more are answered with 503."""
    keep_alive: Duration = Duration(60)
    """An idle connection is closed after this long."""
    max_head_bytes: int = 64 * 1024
    max_reply_bytes: int = 64 * MIB
    """A JSON reply above this is passed on unread: without our id, its usage unknown."""
    networks: NetworkSettings = NetworkSettings()
    proxy: str | None = None
    """HTTP proxy on the way; unset: as in the environment, `direct`: none."""
    no_proxy: tuple[str, ...] | None = None
    """Servers that are called without it; unset: as in the environment."""


class HealthSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When targets of pools are left alone (routing/health.py)."""

    failures: Annotated[int, msgspec.Meta(ge=0)] = 5
    """So many failed calls in a row eject a target; 0 never ejects."""
    eject_initial: Duration = Duration(5)
    """How long the first ejection lasts; each one after a failed trial lasts twice as long."""
    eject_max: Duration = Duration(300)
    """The longest ejection, whatever the target's `Retry-After` says."""


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Models with several targets. Their strategy, fallback and retries are set with each model."""

    health: HealthSettings = HealthSettings()


class OnwardsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`onwards.*`: the contract's name of the gateway."""

    strict_mode: bool = False
    """Only typed routes and requests; answers through the public schemas, errors masked (gateway/strict.py)."""


class RealtimeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """WebSockets to model servers."""

    max_sessions: int = 1024
    """In this process; more are answered with 503."""
    idle_timeout: Duration = Duration(300)
    """Silence of both sides; then the session ends."""


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hot path."""

    upstream: UpstreamSettings = UpstreamSettings()
    pools: PoolSettings = PoolSettings()
    uploads: UploadSettings = UploadSettings()
    realtime: RealtimeSettings = RealtimeSettings()
    tools: ToolSettings = ToolSettings()
    trusted_proxies: tuple[str, ...] = ()
    """Networks of reverse proxies whose `X-Forwarded-For` says where a client is, such as `10.0.0.0/8`."""
    overhead_header: bool = True
    """Whether answers carry `x-dwctl-overhead-ms`."""
    stream_keep_alive: Duration = Duration(15)
    """After so long a silence of a model server a stream's client gets a comment, again and again; 0 sends none."""
