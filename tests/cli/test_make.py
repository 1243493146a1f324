"""`make serve` hands its words on, and becomes the program: a signal to it is one to the server."""

import subprocess

from dwctl.core.settings import environment
from tests.processes import ROOT


def serve_lines(*words: str) -> list[str]:
    """The commands that `make serve` would run."""
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "serve", *words],
        cwd=ROOT,
        # Not that of a make that runs the tests: its flags would be handed on.
        env={"PATH": environment()["PATH"]},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip().splitlines()


def serve_line(*words: str) -> str:
    """The last of them."""
    return serve_lines(*words)[-1]


def test_make_serve() -> None:
    assert serve_line().split() == ["exec", ".venv/bin/dwctl", "serve"]
    told = serve_line("UPSTREAM=http://127.0.0.1:8000/v1", "ARGS=--port 4000 --data-dir '/a b'")
    assert told.endswith("serve --upstream 'http://127.0.0.1:8000/v1' --port 4000 --data-dir '/a b'")


def test_make_serve_builds_the_dashboard_beside_it() -> None:
    """Nobody waits for it, and it writes to nothing that somebody reads until its end."""
    before = serve_lines()[-2]
    assert before == "( .venv/bin/python -m tools.dashboard --background </dev/null >/dev/null 2>&1 & )"
    assert not any("tools.dashboard" in line for line in serve_lines("DASHBOARD=no"))
