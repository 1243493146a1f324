"""The product as a user runs it: `python -m dwctl serve` in a process of its own, known by what it prints."""

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.processes import ROOT, Program

START_DEADLINE = 90.0
STOP_DEADLINE = 30.0
_ADDRESS = r"is ready: (https?://127\.0\.0\.1:\d+)\n"
_SIGN_IN = r"sign in\s+(\S+)\s+password (\S+)"
_KEY = r"API key\s+(sk-[\w-]+)"


class Welcome(NamedTuple):
    """What a start tells; secrets are shown once, so a later start tells less."""

    address: str
    admin: tuple[str, str] | None
    key: str | None


def read_welcome(program: Program, *, first: bool, upstream: bool) -> Welcome:
    """Wait for the address, and on a first start for what is shown once."""
    address = program.wait_for(_ADDRESS, START_DEADLINE)[1]
    if not first:
        return Welcome(address, None, None)
    found = program.wait_for(_SIGN_IN, START_DEADLINE)
    key = program.wait_for(_KEY, START_DEADLINE)[1] if upstream else None
    return Welcome(address, (found[1], found[2]), key)


class Product:
    """A data directory and the process that works on it now."""

    def __init__(
        self,
        data_dir: Path,
        *,
        upstream: str | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self._upstream = upstream
        self._arguments = tuple(arguments)
        self._environment = dict(environment or {})
        self._program: Program | None = None
        self._last: Program | None = None
        self._welcome: Welcome | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        self._start(first=self._welcome is None)

    def start_again(self) -> None:
        """Start on what starts that were killed have left: what is shown once may have been shown to nobody."""
        self._start(first=False)

    def begin(self) -> None:
        """Start it and wait for nothing."""
        self._program = self._launch()

    def wait_for(self, pattern: str) -> str:
        """Wait until it has printed this; gives the first group of the pattern, or all that matched."""
        found = self._running.wait_for(pattern, START_DEADLINE)
        return str(found[1] if found.re.groups else found[0])

    def kill_while_starting(self, after: float) -> None:
        """Start, and SIGKILL it so many seconds later, wherever it is."""
        program = self._launch()
        threading.Event().wait(after)
        program.kill()

    def _start(self, *, first: bool) -> None:
        self._program = self._launch()
        try:
            shown = read_welcome(self._program, first=first, upstream=self._upstream is not None)
        except AssertionError:
            self.kill()
            raise
        before = self._welcome
        if before is not None:
            shown = Welcome(shown.address, shown.admin or before.admin, shown.key or before.key)
        self._welcome = shown

    def _launch(self) -> Program:
        command = [sys.executable, "-m", "dwctl", "serve", "--host", "127.0.0.1", "--port", "0"]
        command += ["--data-dir", str(self.data_dir)]
        if self._upstream is not None:
            command += ["--upstream", self._upstream]
        command += self._arguments
        # An environment without the settings of whoever runs the tests.
        environment = {
            "PATH": os.defpath,
            "PYTHONPATH": str(ROOT / "src"),
            "HOME": str(self.data_dir),
            "LC_ALL": "C.UTF-8",
            **self._environment,
        }
        # In the data directory, so that no configuration file of the working directory is read.
        self._last = Program(command, environment=environment, directory=self.data_dir)
        return self._last

    @property
    def runs(self) -> bool:
        """Whether it was started and has not been ended by a test."""
        return self._program is not None

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return self._running.pid

    @property
    def address(self) -> str:
        """Where it listens, such as `http://127.0.0.1:40123`."""
        return self._shown.address

    @property
    def base_url(self) -> str:
        """What an OpenAI client is given."""
        return f"{self._shown.address}/ai/v1"

    @property
    def key(self) -> str:
        """The API key of the first start with an upstream."""
        if self._shown.key is None:
            raise AssertionError("no API key was shown: it was started without an upstream")
        return self._shown.key

    @property
    def admin_email(self) -> str:
        """The first administrator."""
        return self._admin[0]

    @property
    def admin_password(self) -> str:
        """The password that was made at the first start."""
        return self._admin[1]

    @property
    def output(self) -> str:
        """What the process has printed, the running one or the last that ran."""
        if self._last is None:
            raise AssertionError("it has not been started")
        return self._last.text

    def stop(self) -> None:
        """SIGTERM; it must end by itself, with status 0 and without a traceback."""
        program = self._running
        self._program = None
        status = program.stop(STOP_DEADLINE)
        if status != 0 or "Traceback" in program.text:
            raise AssertionError(f"dwctl ended with status {status}:\n{program.text}")

    def kill(self) -> None:
        """SIGKILL: nothing of it gets to finish its work."""
        program = self._running
        self._program = None
        program.kill()

    def end(self) -> None:
        """Kill it if it still runs: for a test that ends it in its own way, and fails before."""
        if self._program is not None:
            self.kill()

    def wait_for_end(self) -> int:
        """Wait until it ends by itself; returns its exit status."""
        program = self._running
        self._program = None
        return program.wait_for_end(STOP_DEADLINE)

    def restart(self) -> None:
        """Stop it in order if it runs, then start it on the same data; the port changes."""
        if self._program is not None:
            self.stop()
        self.start()

    def close(self) -> None:
        """Stop it if it runs."""
        if self._program is not None:
            self.stop()

    @property
    def _running(self) -> Program:
        if self._program is None:
            raise AssertionError("it does not run")
        return self._program

    @property
    def _shown(self) -> Welcome:
        if self._welcome is None:
            raise AssertionError("it has not been started")
        return self._welcome

    @property
    def _admin(self) -> tuple[str, str]:
        if self._shown.admin is None:
            raise AssertionError("no password was shown")
        return self._shown.admin
