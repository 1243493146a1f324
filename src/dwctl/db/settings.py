"""Settings of the database (contract: `database.*`, spec/platform §10)."""

from typing import Literal

import msgspec


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Connections to PostgreSQL."""

    max_connections: int = 10
    min_connections: int = 0
    acquire_timeout_secs: float = 30.0
    idle_timeout_secs: float = 600.0


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where PostgreSQL is. `type` is `embedded` unless a `url` is given."""

    type: Literal["embedded", "external"] | None = None
    url: str | None = None
    data_dir: str | None = None
    """Of the embedded server; the default is `postgres` in the data directory."""
    pool: PoolSettings = PoolSettings()
