"""The data directory: what lies in it and how its secrets come to be.

```
<data_dir>/postgres/        embedded PostgreSQL (db/embedded.py)
<data_dir>/spool/           write-ahead files of calls (requests/spool.py)
<data_dir>/uploads/         files without a name (gateway/uploads/spill.py)
<data_dir>/secrets.json     generated at the first start, mode 0600
```

`secrets.json` is written to a temporary name, synced and renamed, so that it is either whole or absent; a
start that finds it absent makes a new one. It is written before anything is sealed or signed with it.
"""

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from dwctl.core.errors import SetupError
from dwctl.core.ids import new_id

CLAIM_WITHIN = 0.5
"""Seconds: whoever asks for the holder has the lock for a moment, and that is no reason to refuse a start."""


PORTLESS = "no port"
"""What a worker tells in place of its address."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The process that uses a data directory."""

    pid: int
    address: str
    """Where it listens; something else than an address while it does not."""

    @property
    def serves(self) -> bool:
        """Whether it is a server that has started."""
        return self.address.startswith("http") or self.address == PORTLESS


class Hold:
    """This process's claim on a data directory; the kernel gives it back when the process ends, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def tell(self, address: str) -> None:
        """Note for others who holds the directory; a full disk makes this a holder without a name."""
        content = msgspec.json.encode(Holder(pid=os.getpid(), address=address))
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, content, 0)

    def release(self) -> None:
        """Give it back."""
        with suppress(OSError):
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
    try:
        return (Path(home) if home else Path.home()) / ".local" / "share" / "dwctl"
    except RuntimeError as error:
        raise SetupError(
            "this user has no home directory and HOME is not set, so there is no place for data. "
            "Name one with --data-dir (or DWCTL_DATA_DIR)."
        ) from error


def prepare(data_dir: Path) -> None:
    """Make the directory, or say what keeps it from being made or written."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        probe = data_dir / f".write-probe-{os.getpid()}"
        try:
            probe.write_bytes(b"dwctl")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "free some space there" if full else "give this user the right to write there"
        raise SetupError(
            f"the data directory {data_dir} cannot be written: {error.strerror or error}. "
            f"Choose another with --data-dir, or {advice}."
        ) from error


def hold(data_dir: Path) -> Hold:
    """Claim the directory for a server, or say which process has it."""
    held = claim(data_dir, "starting")
    if held is not None:
        return held
    holder = read_holder(data_dir)
    who = f"process {holder.pid} ({holder.address})" if holder and holder.pid else "another process"
    raise SetupError(
        f"the data directory {data_dir} is in use by {who}. Stop it, choose another directory with "
        "--data-dir, or add --join (and another --port) to work beside it on the same database."
    )


@contextmanager
def beside_server(data_dir: Path, command: str) -> Iterator[bool]:
    """For a command that needs the database: whether a server runs, whose database is then used.

    Without one the directory is the command's own until it ends, so that no server starts in between.
    """
    held = claim(data_dir, command)
    try:
        yield held is None
    finally:
        if held is not None:
            held.release()


def claim(data_dir: Path, told: str) -> Hold | None:
    """Claim the directory; None when another process has it."""
    try:
        descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SetupError(
            f"{data_dir / 'lock'} cannot be opened: {error.strerror or error}. "
            "Start dwctl as the user who owns the directory, or choose another with --data-dir."
        ) from error
    deadline = time.monotonic() + CLAIM_WITHIN
    while not _locked(descriptor):
        if time.monotonic() > deadline:
            os.close(descriptor)
            return None
        time.sleep(0.02)
    held = Hold(descriptor)
    held.tell(told)
    return held


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_holder(data_dir: Path) -> Holder | None:
    """Who holds the directory now; what a process that was killed has written counts for nothing."""
    try:
        descriptor = os.open(data_dir / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if _locked(descriptor):
            return None
        return msgspec.json.decode(os.pread(descriptor, 4096, 0), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return Holder(pid=0, address="an unknown address")
    finally:
        os.close(descriptor)


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
