"""Memory that a process needed once is not kept."""

import platform
import subprocess
import sys

import pytest

from dwctl.core.settings import environment

HASHES = """
import sys, threading
from argon2 import PasswordHasher
from dwctl.server.memory import give_back_large

def private():
    return sum(int(line.split()[1]) for line in open("/proc/self/smaps") if line.startswith("Private_Dirty:"))

def hash_twice():
    hasher = PasswordHasher(time_cost=1, memory_cost=19_456, parallelism=1)
    hasher.hash("one")
    hasher.hash("two")

if sys.argv[1] == "given back":
    give_back_large()
before = private()
thread = threading.Thread(target=hash_twice)
thread.start()
thread.join()
hash_twice()
print(private() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is another one")
def test_what_a_hash_worked_in_is_given_back() -> None:
    kept, given = (
        int(
            subprocess.run(
                [sys.executable, "-c", HASHES, how],
                env=environment(),
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout
        )
        for how in ("kept", "given back")
    )
    assert given < 4_000
    # Otherwise there is nothing to be given back.
    assert kept > given + 15_000
