"""Settings of the database (contract: `database.*`, spec/platform §10)."""

from typing import Annotated, Literal

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
    replica_url: str | None = None
    """A standby of the external server, for reads that may lag."""
    replica_pool: PoolSettings | None = None
    """Connections to it; unset: as many as `pool` says."""
    replica_max_lag_secs: Annotated[float, msgspec.Meta(ge=0)] = 30.0
    """A standby that is further behind is not read."""
