"""Which process holds the server's end of a connection on 127.0.0.1 (proc(5): net/tcp, fd)."""

import contextlib
from collections.abc import Iterable
from pathlib import Path


def owner(pids: Iterable[int], *, port: int, peer: int) -> int | None:
    """The one of these processes that has accepted the connection from `port` to `peer`; None when none has."""
    inode = inode_of(Path("/proc/net/tcp").read_text(encoding="ascii"), local=peer, remote=port)
    if inode is None:
        return None
    name = f"socket:[{inode}]"
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended, or a descriptor was closed meanwhile
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if str(descriptor.readlink()) == name:
                        return pid
    return None


def inode_of(table: str, *, local: int, remote: int) -> int | None:
    """The inode of the connection with these port numbers in the kernel's table."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        ports = [int(address.rpartition(":")[2], 16) for address in fields[1:3]]
        if ports == [local, remote]:
            return int(fields[9])
    return None
