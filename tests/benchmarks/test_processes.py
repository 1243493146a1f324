"""A tree's CPU time includes children that have ended; PostgreSQL is told apart by name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.failures import Unavailable

from benchmarks import cores, processes

BURN = "import time\nwhile time.process_time() < 0.2: pass\n"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}], check=True)
print("done", flush=True)
sys.stdin.read()
"""


def test_cpu_time_includes_children_that_have_ended() -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"done\n"
        cost = processes.cpu_seconds(parent.pid)
        memory = processes.memory_bytes(parent.pid)
        parent.stdin.close()
    assert cost.own >= 0.18
    assert cost.postgres == 0
    assert memory.own > 1_000_000


def test_postgres_is_pinned_and_counted_apart(tmp_path: Path) -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    (tmp_path / "postgres").symlink_to(sleep)
    script = f"{tmp_path / 'postgres'} 60 & echo started; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        chosen = cores.choose()
        while processes.pin_postgres(parent.pid, chosen.load) == 0:
            assert parent.poll() is None
        (database,) = (each for each in processes.tree(parent.pid) if each.is_postgres)
        affinity = os.sched_getaffinity(database.pid)
        memory = processes.memory_bytes(parent.pid)
        os.kill(database.pid, 9)
        parent.kill()
    assert affinity == {chosen.load}
    assert memory.postgres > 0
    assert memory.own > 0


def test_busy_seconds_rise_and_an_unknown_core_is_refused() -> None:
    assert cores.busy_seconds(cores.choose().load) > 0
    with pytest.raises(Unavailable, match="no core 9999"):
        cores.busy_seconds(9999)


def test_a_pinned_command_runs_on_its_core() -> None:
    core = cores.choose().contestant
    show = "import os; print(os.sched_getaffinity(0))"
    done = subprocess.run(
        cores.pinned(core, [sys.executable, "-c", show]), capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{{{core}}}\n"
