"""A program as a person starts it: a subprocess whose terminal output a test reads while it runs."""

import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Program:
    """One run of a command, from start to its last line. Its children belong to its process group."""

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str] | None = None, directory: Path = ROOT
    ) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._name = " ".join(command[:4])
        self._text = ""
        self._ended = False
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, name=f"output of {self._name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id, which is that of the group too."""
        return self._process.pid

    @property
    def text(self) -> str:
        """What it has printed, standard output and standard error together."""
        with self._more:
            return self._text

    def wait_for(self, pattern: str, deadline: float) -> re.Match[str]:
        """Wait until the output has this pattern; a program that ends without it fails at once."""
        end = time.monotonic() + deadline
        with self._more:
            while True:
                found = re.search(pattern, self._text)
                if found is not None:
                    return found
                left = end - time.monotonic()
                if self._ended or left <= 0:
                    why = "ended" if self._ended else f"has run for {deadline} s"
                    raise AssertionError(f"{self._name} {why} without {pattern!r}:\n{self._text}")
                self._more.wait(left)

    def stop(self, deadline: float = 30.0) -> int:
        """Ask it to end by SIGTERM and return its exit status; too slow, it is killed and that is an error."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self.wait_for_end(deadline)

    def wait_for_end(self, deadline: float = 30.0) -> int:
        """Its exit status once it has ended by itself; too slow, it is killed and that is an error."""
        try:
            return self._process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self._name} did not end within {deadline} s:\n{self.text}") from None
        finally:
            self._close()

    def kill(self) -> None:
        """SIGKILL, to the process alone: what it started must notice by itself."""
        self._process.kill()
        self._process.wait()
        self._close()

    def _read(self) -> None:
        output = self._process.stdout
        if output is None:
            raise RuntimeError("the program was started without a pipe")
        for line in output:
            with self._more:
                self._text += line.decode("utf-8", "replace")
                self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()

    def _close(self) -> None:
        """Children that outlive the program hold its output open: they have this long to end."""
        self._reader.join(30.0)
        if self._reader.is_alive():
            raise AssertionError(f"what {self._name} started still runs:\n{self.text}")
        if self._process.stdout is not None:
            self._process.stdout.close()
