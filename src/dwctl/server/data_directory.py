"""The data directory: what lies in it and how its secrets come to be.

```
<data_dir>/postgres/        embedded PostgreSQL (db/embedded.py)
<data_dir>/spool/           write-ahead files of calls (requests/spool.py)
<data_dir>/secrets.json     generated at the first start, mode 0600
```

`secrets.json` is written to a temporary name, synced and renamed, so that it is either whole or absent; a
start that finds it absent makes a new one. It is written before anything is sealed or signed with it.
"""

import os
import secrets
from pathlib import Path

import msgspec

from dwctl.core.errors import SetupError
from dwctl.core.ids import new_id


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """What the first start generates."""

    secret_key: str
    """Signs sessions and seals upstream credentials; 64 hexadecimal digits."""
    installation_id: str
    """Names this data directory among the processes of a database."""


def default_data_dir(environ_home: str | None, xdg_data_home: str | None) -> Path:
    """`$XDG_DATA_HOME/dwctl`, else `~/.local/share/dwctl` (XDG Base Directory Specification)."""
    if xdg_data_home and Path(xdg_data_home).is_absolute():
        return Path(xdg_data_home) / "dwctl"
    home = Path(environ_home) if environ_home else Path.home()
    return home / ".local" / "share" / "dwctl"


def prepare(data_dir: Path) -> None:
    """Make the directory, or say what keeps it from being made or written."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        probe = data_dir / f".write-probe-{os.getpid()}"
        probe.write_bytes(b"dwctl")
        probe.unlink()
    except OSError as error:
        raise SetupError(
            f"the data directory {data_dir} cannot be written: {error.strerror or error}. "
            "Choose another with --data-dir, or give this user the right to write there."
        ) from error


def load_secrets(data_dir: Path) -> Secrets:
    """The directory's secrets, generated when there are none."""
    path = data_dir / "secrets.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Secrets)
    except FileNotFoundError:
        made = Secrets(secret_key=secrets.token_hex(32), installation_id=new_id())
        _write_whole(path, msgspec.json.encode(made))
        return made
    except (OSError, msgspec.MsgspecError) as error:
        raise SetupError(
            f"the secrets in {path} cannot be read: {error}. Restore the file from a backup: without it "
            "stored upstream credentials cannot be opened."
        ) from error


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror or error}") from error
