"""What is only there with an extra is known to one module, and loaded by nobody who did not ask for it."""

import subprocess
import sys
from pathlib import Path

import dwctl

SOURCE = Path(dwctl.__file__).parent


def test_one_module_knows_opentelemetry() -> None:
    importing = [
        file.relative_to(SOURCE).as_posix()
        for file in sorted(SOURCE.rglob("*.py"))
        if any(
            line.lstrip().startswith(("import opentelemetry", "from opentelemetry"))
            for line in file.read_text(encoding="utf-8").splitlines()
        )
    ]
    assert importing == ["gateway/spans.py"]


def test_the_server_is_loaded_without_it() -> None:
    code = "import sys, dwctl.server.serve; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
