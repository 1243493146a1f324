"""The root of the settings: one Struct of each package under the contract's keys (spec/platform §10)."""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import UNSET

from dwctl.control.config.structs import AsyncRequestConfig, BatchConfig, Config, GatewayConfig
from dwctl.core.errors import SetupError
from dwctl.core.networks import parse_network
from dwctl.core.proxies import read_proxies
from dwctl.core.settings import Duration, load
from dwctl.db.settings import DatabaseSettings
from dwctl.engine.files.settings import FileLimits
from dwctl.engine.responses.settings import ResponseSettings
from dwctl.engine.responses.socket.settings import SocketSettings
from dwctl.engine.settings import BatchSettings
from dwctl.engine.worker_settings import BatchDaemonSettings
from dwctl.gateway.settings import GatewaySettings, OnwardsSettings
from dwctl.identity.settings import AuthSettings
from dwctl.requests.settings import RecordingSettings
from dwctl.server.contract_keys import NOT_YET
from dwctl.server.extras import NO_OTEL, has_otel
from dwctl.server.limits import ListenerSettings
from dwctl.usage.amounts import amount_fault
from dwctl.usage.credit.settings import ReservationSettings
from dwctl.usage.settings import CreditSettings

DEFAULT_FILE = Path("config.yaml")
MAX_WORKERS = 256
TOKEN = re.compile(r"[A-Za-z0-9_-]+")


Role = Literal["all", "gateway", "worker"]


class RequestLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one request."""

    max_body_size: int = 32 * 1024 * 1024
    """Bytes of a gateway request's body, and of that of a line of a file."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`limits.*`."""

    requests: RequestLimits = RequestLimits()
    files: FileLimits = FileLimits()


class SyncSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the routing state is kept fresh beside notices."""

    fallback_interval_milliseconds: int = 300_000
    """The routing state is read whole this often, even without a notice."""


class BackgroundSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`background_services.*`."""

    onwards_sync: SyncSettings = SyncSettings()
    batch_daemon: BatchDaemonSettings = BatchDaemonSettings()


class MetadataSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What pages say of this installation."""

    region: str | None = None
    organization: str | None = None
    docs_url: str | None = None
    docs_jsonl_url: str | None = None
    title: str | None = None
    ai_api_base_url: str | None = None


class MetricsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who reads metrics where."""

    listen: str | None = None
    """`host:port` of an address of their own; they are then not on the common port."""
    bearer_token: str | None = None
    """What a reader must send; unset: nothing."""


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Logging to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    json: bool | None = None
    """Unset: lines for people on a terminal, JSON otherwise."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be configured."""

    host: str = "127.0.0.1"
    port: int = 3001
    workers: int = 1
    """Processes that answer on the port."""
    role: Role = "all"
    """What a start does. `gateway`: take calls, and leave queued work to others. `worker`: run queued work, without a
    port. `all`: both."""
    data_dir: str | None = None
    admin_email: str = "admin@localhost"
    admin_password: str | None = None
    secret_key: str | None = None
    database: DatabaseSettings = DatabaseSettings()
    database_url: str | None = None
    """Deprecated name of `database.url`."""
    database_replica_url: str | None = None
    """Deprecated name of `database.replica_url`."""
    auth: AuthSettings = AuthSettings()
    limits: Limits = Limits()
    batches: BatchSettings = BatchSettings()
    response_sockets: SocketSettings = SocketSettings()
    responses: ResponseSettings = ResponseSettings()
    background_services: BackgroundSettings = BackgroundSettings()
    metadata: MetadataSettings = MetadataSettings()
    enable_metrics: bool = True
    metrics: MetricsSettings = MetricsSettings()
    enable_otel_export: bool = False
    """Whether calls leave OpenTelemetry spans (gateway/spans.py); needs the extra `dwctl[otel]`."""
    enable_request_logging: bool = True
    """Whether bodies of requests and answers are kept beside their rows."""
    listener: ListenerSettings = ListenerSettings()
    gateway: GatewaySettings = GatewaySettings()
    onwards: OnwardsSettings = OnwardsSettings()
    recording: RecordingSettings = RecordingSettings()
    credits: CreditSettings = CreditSettings()
    reservations: ReservationSettings = ReservationSettings()
    log: LogSettings = LogSettings()


def read(
    file: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]
) -> tuple[Settings, tuple[str, ...]]:
    """The settings, and the contract's keys that were set and are not acted on.

    `file` is the one asked for; without it `DWCTL_CONFIG`, else `config.yaml` in the working directory if it is there.
    """
    if file is None and environ.get("DWCTL_CONFIG"):
        file = Path(environ["DWCTL_CONFIG"])
    if file is None and DEFAULT_FILE.is_file():
        file = DEFAULT_FILE
    settings, ignored = load(Settings, file=file, environ=environ, overrides=flags, accepted=NOT_YET)
    _validate(settings)
    read_proxies(settings.gateway.upstream.proxy, settings.gateway.upstream.no_proxy, environ)
    return settings, ignored


def _validate(settings: Settings) -> None:
    """What types cannot say (spec/platform §10, last paragraph)."""
    password = settings.auth.native.password
    cors = settings.auth.security.cors
    listener = settings.listener
    pool = settings.database.pool
    uploads = settings.gateway.uploads
    networks = settings.gateway.upstream.networks
    daemon = settings.background_services.batch_daemon
    initial = settings.credits.initial_credits_for_standard_users
    rules = (
        (0 <= settings.port <= 65535, "port: expected a number from 0 to 65535"),
        (1 <= settings.workers <= MAX_WORKERS, f"workers: expected a number from 1 to {MAX_WORKERS}"),
        (
            1 <= password.min_length <= password.max_length,
            "auth.native.password: expected 1 <= min_length <= max_length",
        ),
        (
            300 <= settings.auth.security.jwt_expiry <= 30 * 86400,
            "auth.security.jwt_expiry: expected from 5m to 30d",
        ),
        (
            not (cors.allow_credentials and "*" in cors.allowed_origins),
            "auth.security.cors: allowed_origins '*' excludes allow_credentials",
        ),
        (settings.auth.native.enabled, "auth.native.enabled: at least one way to sign in is needed"),
        (
            not settings.auth.native.session.cookie_domain
            or " " not in settings.auth.native.session.cookie_domain,
            "auth.native.session.cookie_domain: expected a domain name",
        ),
        (
            settings.database.type != "external" or bool(settings.database.url or settings.database_url),
            "database.url: expected with database.type external",
        ),
        (
            settings.limits.requests.max_body_size > 0,
            "limits.requests.max_body_size: expected more than 0",
        ),
        (settings.response_sockets.lifetime > 0, "response_sockets.lifetime: expected more than 0"),
        (
            listener.max_body_bytes == ListenerSettings().max_body_bytes,
            "listener.max_body_bytes: set limits.requests.max_body_size instead",
        ),
        (
            _are_networks(settings.gateway.trusted_proxies),
            "gateway.trusted_proxies: expected networks such as 10.0.0.0/8, without bits behind their prefix",
        ),
        (
            _are_networks((*networks.allowed, *networks.denied)),
            "gateway.upstream.networks: expected networks such as 10.0.0.0/8 in allowed and denied",
        ),
        (
            uploads.max_bytes > 0
            and uploads.memory_bytes >= 0
            and uploads.max_total_bytes >= uploads.max_bytes,
            "gateway.uploads: expected max_bytes > 0, memory_bytes >= 0 and max_total_bytes >= max_bytes",
        ),
        (
            not listener.proxy_protocol
            or bool(settings.gateway.trusted_proxies)
            or listener.unix_socket is not None,
            "listener.proxy_protocol: expected with gateway.trusted_proxies or listener.unix_socket",
        ),
        (
            listener.certificate is not None or listener.private_key is None,
            "listener.certificate: expected with listener.private_key",
        ),
        (
            listener.max_connections > 0 and listener.max_head_bytes >= 1024,
            "listener: expected max_connections > 0 and max_head_bytes >= 1024",
        ),
        (
            settings.recording.retention_days is None or settings.recording.retention_days >= 1,
            "recording.retention_days: expected 1 or more, or null",
        ),
        (
            min(settings.recording.batch_rows, settings.recording.statements) > 0
            and settings.recording.spool.segment_bytes > 0
            and settings.recording.spool.spare_segments >= 0,
            "recording: expected batch_rows > 0, statements > 0, spool.segment_bytes > 0 and spool.spare_segments >= 0",
        ),
        (
            min(
                settings.recording.compress_answers_from_bytes,
                settings.recording.compress_answers_up_to_bytes,
            )
            >= 0,
            "recording: expected compress_answers_from_bytes and compress_answers_up_to_bytes of 0 or more",
        ),
        (
            settings.recording.heartbeat_secs > 0 and settings.recording.flush_interval_ms >= 0,
            "recording: expected heartbeat_secs > 0 and flush_interval_ms >= 0",
        ),
        (
            pool.max_connections > 0 and 0 <= pool.min_connections <= pool.max_connections,
            "database.pool: expected max_connections > 0 and min_connections from 0 to max_connections",
        ),
        (
            settings.reservations.lease >= 1 and settings.reservations.ahead > 0,
            "reservations: expected lease >= 1s and ahead > 0",
        ),
        (
            all(map(TOKEN.fullmatch, daemon.batch_metadata_fields)),
            "background_services.batch_daemon.batch_metadata_fields: expected names such as completion_window",
        ),
        (
            all(path.startswith("/") for path in daemon.streamable_endpoints),
            "background_services.batch_daemon.streamable_endpoints: expected paths such as /v1/chat/completions",
        ),
        (
            all(escalation.escalation_model for escalation in daemon.model_escalations.values()),
            "background_services.batch_daemon.model_escalations: expected an escalation_model for each model",
        ),
        (
            all(map(math.isfinite, msgspec.structs.astuple(daemon.adaptive))),
            "background_services.batch_daemon.adaptive: expected numbers",
        ),
        (
            daemon.stale_daemon_threshold_ms / 1000 > settings.recording.heartbeat_secs,
            "background_services.batch_daemon.stale_daemon_threshold_ms: expected more than recording.heartbeat_secs",
        ),
        (pool.acquire_timeout_secs > 0, "database.pool.acquire_timeout_secs: expected more than 0"),
        (
            initial == 0 or amount_fault(initial) is None,
            f"credits.initial_credits_for_standard_users: expected 0, or {amount_fault(initial)}",
        ),
        (
            "@" in settings.admin_email and " " not in settings.admin_email,
            "admin_email: expected an e-mail address",
        ),
    )
    if settings.enable_otel_export and not has_otel():
        raise SetupError(f"configuration: {NO_OTEL}")
    if settings.metrics.listen is not None:
        try:
            host_and_port(settings.metrics.listen)
        except ValueError as error:
            raise SetupError(f"configuration: metrics.listen: {error}") from error
    for fault in (settings.batches.fault(), settings.batches.files.fault(), settings.limits.files.fault()):
        if fault is not None:
            raise SetupError(f"configuration: {fault}")
    for holds, text in rules:
        if not holds:
            raise SetupError(f"configuration: {text}")


def config_of(settings: Settings) -> Config:
    """What pages are told of them."""
    shown, batches = settings.metadata, settings.batches
    return Config(
        region=shown.region,
        organization=shown.organization,
        title=shown.title,
        payment_enabled=False,
        docs_url=shown.docs_url,
        docs_jsonl_url=shown.docs_jsonl_url,
        ai_api_base_url=UNSET if shown.ai_api_base_url is None else shown.ai_api_base_url,
        onwards=GatewayConfig(strict_mode=settings.onwards.strict_mode),
        batches=BatchConfig(
            enabled=True,
            allowed_completion_windows=list(batches.allowed_completion_windows),
            allowed_url_paths=list(batches.allowed_url_paths),
            async_requests=AsyncRequestConfig(
                enabled=batches.async_requests.enabled,
                completion_window=batches.async_requests.completion_window,
            ),
        )
        if batches.enabled
        else UNSET,
    )


def host_and_port(listen: str) -> tuple[str, int]:
    """Of an address such as `127.0.0.1:9090`; raises ValueError."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"expected host:port such as 127.0.0.1:9090, not {listen!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _are_networks(texts: Iterable[str]) -> bool:
    try:
        return all(parse_network(text) for text in texts)
    except ValueError:
        return False


def fallback_seconds(settings: Settings) -> float:
    """How often the routing state is read whole without a notice."""
    return Duration(settings.background_services.onwards_sync.fallback_interval_milliseconds / 1000)
