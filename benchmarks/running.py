"""A contestant while it runs: started on its core, ready when it has answered a real request, then stopped."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks import processes
from benchmarks.contestants.contestant import Contestant, Place
from benchmarks.cores import Cores, pinned
from benchmarks.failures import Broken
from benchmarks.load import Door
from benchmarks.upstream import MODEL

READY_WITHIN = 120.0
STOP_WITHIN = 30.0
_PROBE = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "ready?"}]})


class Running:
    """One start of a contestant; use it in a `with` statement."""

    def __init__(self, contestant: Contestant, place: Place, cores: Cores) -> None:
        self.contestant = contestant
        self.place = place
        self.postgres_processes = 0
        """How many of its processes are PostgreSQL's: those run on the load's core."""
        self.probes_answered = 0
        """Requests that it has answered before any load came."""
        self._cores = cores
        self._log = place.scratch / f"{contestant.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._launch = contestant.launch(place)
        if self._launch.command:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    pinned(self._own_cores(), self._launch.command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    cwd=place.scratch,
                )
        try:
            self.door = self._wait_until_ready()
            self.pin_postgres()
            if self._launch.furnish is not None:
                self.door = self._launch.furnish(self.door)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Its first process; None when there is no program."""
        return self._process.pid if self._process is not None else None

    @property
    def shares_the_load_core(self) -> bool:
        """Whether it may run where the load comes from."""
        return self._launch.both_cores

    def pin_postgres(self) -> None:
        """Bind its PostgreSQL, if it has one, to the core of the load."""
        if self.pid is not None:
            self.postgres_processes = processes.pin_postgres(self.pid, self._cores.load)

    def check(self) -> None:
        """Raise `Broken` with the end of its log when it has ended by itself."""
        if self._process is not None and (status := self._process.poll()) is not None:
            raise Broken(f"{self.contestant.name} ended with status {status}:\n{self._tail()}")

    def stop(self) -> None:
        """Ask it to end, then end whatever is left of its tree. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        left = processes.tree(process.pid)
        if process.poll() is None:
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_WITHIN)
        for each in (*left, *processes.tree(process.pid)):
            _kill(each)
        process.wait()

    def _own_cores(self) -> list[int]:
        cores = self._cores
        return [cores.load, cores.contestant] if self._launch.both_cores else [cores.contestant]

    def _wait_until_ready(self) -> Door:
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            self.check()
            door = self._door()
            if door is not None and self._answers(door):
                return door
            time.sleep(0.05)
        raise Broken(f"{self.contestant.name} answered no request within {READY_WITHIN:g} s:\n{self._tail()}")

    def _door(self) -> Door | None:
        """None while the key that it needs is not printed yet."""
        if self._launch.key is None:
            return self._launch.door
        key = self._launch.key.search(self._output())
        if key is None:
            return None
        headers = (*self._launch.door.headers, f"Authorization: Bearer {key.group()}")
        return replace(self._launch.door, headers=headers)

    def _answers(self, door: Door) -> bool:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        headers |= dict(line.split(": ", 1) for line in door.headers)
        connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=10)
        try:
            connection.request("POST", door.path, _PROBE, headers)
            answered = connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            answered = False
        finally:
            connection.close()
        self.probes_answered += answered
        return answered

    def _output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.is_file() else ""

    def _tail(self) -> str:
        return "\n".join(self._output().splitlines()[-15:]) or "(it printed nothing)"


def _kill(process: processes.Process) -> None:
    """End a process that outlived its parent, unless its number belongs to another one by now."""
    try:
        name = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[0]
    except (FileNotFoundError, ProcessLookupError):
        return
    if name.partition("(")[2] == process.name:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
