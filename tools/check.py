"""Rules of the repository that no linter knows: `python -m tools.check` prints each break and fails.

* source files stay under 500 lines;
* no address of a package index, no machine path and no bundle is committed;
* every package of `src/dwctl` says what it is for.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 500
SOURCES = (".py", ".sql", ".ts", ".tsx", ".c", ".sh")
TEXTS = (*SOURCES, ".md", ".toml", ".yaml", ".yml", ".lock", ".json", "Makefile", "run")
FORBIDDEN = {
    "address of a package index": re.compile(
        r"--(?:extra-)?index-url|\"resolved\": \"http|files\.pythonhosted"
    ),
    "path of one machine": re.compile(r"(?<![\w.])/(?:work|farm|root)/\w"),
}


def tracked() -> list[Path]:
    """Every file that git knows, as it lies in the work tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def breaks(path: Path) -> Iterator[str]:
    """What is wrong with one file."""
    name = path.relative_to(ROOT).as_posix()
    if not name.endswith(TEXTS):
        return
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    if name.endswith(SOURCES) and lines > MAX_LINES:
        yield f"{name}: {lines} lines, at most {MAX_LINES}: split it by noun"
    if name == "tools/check.py":
        return
    for what, pattern in FORBIDDEN.items():
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield f"{name}:{line}: {what}"


def packages_without_purpose() -> Iterator[str]:
    """Packages whose `__init__.py` is missing or says nothing."""
    for folder in sorted((ROOT / "src" / "dwctl").rglob("*")):
        if folder.is_dir() and any(folder.glob("*.py")):
            init = folder / "__init__.py"
            if not init.is_file():
                yield f"{folder.relative_to(ROOT)}: no __init__.py"


def main() -> int:
    """Print every break; the exit status is 1 when there is one."""
    found = [line for path in tracked() for line in breaks(path)]
    found.extend(packages_without_purpose())
    for line in found:
        print(line)
    if not found:
        print(f"tools.check: {len(tracked())} files keep the rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
