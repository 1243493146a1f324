"""The data directory: what lies in it and how its secrets come to be.

```
<data_dir>/postgres/        embedded PostgreSQL (db/embedded.py)
<data_dir>/spool/           write-ahead files of calls (requests/spool.py)
<data_dir>/secrets.json     generated at the first start, mode 0600
```

`secrets.json` is written to a temporary name, synced and renamed, so that it is either whole or absent; a
start that finds it absent makes a new one. It is written before anything is sealed or signed with it.
"""

import fcntl
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from dwctl.core.errors import SetupError
from dwctl.core.ids import new_id

MAX_HOLDER = 4096


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The process that uses a data directory."""

    pid: int
    address: str


class Hold:
    """This process's claim on a data directory; the kernel gives it back when the process ends, however it ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def tell(self, address: str) -> None:
        """Note for others who holds the directory."""
        content = msgspec.json.encode(Holder(pid=os.getpid(), address=address))
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)

    def release(self) -> None:
        """Give it back."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """What the first start generates."""

    secret_key: str
    """Signs sessions and seals upstream credentials; 64 hexadecimal digits."""
    installation_id: str
    """Names this data directory among the processes of a database."""


def default_data_dir(environ: Mapping[str, str], *, root: bool) -> Path:
    """`$XDG_DATA_HOME/dwctl`, else `~/.local/share/dwctl` (XDG Base Directory Specification).

    For root `/var/lib/dwctl`: PostgreSQL runs as another user, who may not enter root's home.
    """
    if root:
        return Path("/var/lib/dwctl")
    known = environ.get("XDG_DATA_HOME", "")
    if Path(known).is_absolute():
        return Path(known) / "dwctl"
    home = environ.get("HOME")
    return (Path(home) if home else Path.home()) / ".local" / "share" / "dwctl"


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


def hold(data_dir: Path) -> Hold:
    """Claim the directory, or say which process has it."""
    path = data_dir / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = read_holder(data_dir)
        os.close(descriptor)
        who = f"process {holder.pid} ({holder.address})" if holder else "another process"
        raise SetupError(
            f"the data directory {data_dir} is in use by {who}. Stop it, choose another directory with "
            "--data-dir, or add --join (and another --port) to work beside it on the same database."
        ) from error
    held = Hold(path, descriptor)
    held.tell("starting")
    return held


def read_holder(data_dir: Path) -> Holder | None:
    """Who holds the directory, as far as it said; None for a holder that was killed, whatever its file still says."""
    try:
        descriptor = os.open(data_dir / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if _is_free(descriptor):
            return None
        return msgspec.json.decode(os.pread(descriptor, MAX_HOLDER, 0), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return None
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    """Whether nobody holds the lock: only the kernel knows, a process's number may be another one's by now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
