"""The flags of `dwctl serve`."""

from pathlib import Path

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """As they are given to the command."""

    config: Path | None
    data_dir: Path | None
    host: str | None
    port: int | None
    workers: int | None
    role: str | None
    uds: Path | None
    upstream: str | None
    upstream_key: str | None
    join: bool
    validate: bool

    @property
    def settings(self) -> dict[str, object]:
        """Those that stand for a setting, by its key."""
        return {
            "host": self.host,
            "port": self.port,
            "workers": self.workers,
            "role": self.role,
            "listener.unix_socket": self.uds,
            "data_dir": self.data_dir,
        }
