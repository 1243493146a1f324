"""Whether the modules on the path of a call run compiled, and whether what was compiled are the sources (ADR 0043).

`tools/compiled.py` writes a note beside the extensions that it builds:

```
src/dwctl/compiled.json    the ending of extensions' names, the modules, and the SHA-256 of each source they depend on
src/dwctl/**/<module>.so   with that ending, beside its source; Python takes it first
```

Python would run an extension whose source has changed since. So each start compares, before any of them is loaded,
and refuses: code that is not there any more is never run. The note is there before the first extension is and goes
after the last one, so that a build or a removal that was killed is refused too.
"""

import json
from hashlib import sha256
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr
else:

    def mypyc_attr(*_flags: str, **_options: bool) -> Any:
        """For the compiler alone, which is not there when the product runs."""
        return lambda kind: kind


__all__ = ["check", "is_compiled", "mypyc_attr"]

NOTE = "compiled.json"
PACKAGE = Path(__file__).resolve().parent.parent


def is_compiled(package: Path = PACKAGE) -> bool:
    """Whether this Python runs extensions; of another version of Python it takes none."""
    return _noted(package) is not None


def check(package: Path = PACKAGE) -> None:
    """Raise ImportError when the extensions are not those of the sources."""
    noted = _noted(package)
    if noted is None:
        return
    wrong = [path for path, digest in noted["sources"].items() if _digest(package / path) != digest]
    ending = noted["ending"]
    wrong += [name for name in noted["modules"] if not (package / f"{name}{ending}").is_file()]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ImportError(
            f"dwctl was compiled from other sources than are there now ({wrong[0]}{more}); "
            "run 'make compiled' to compile it anew, or 'make pure' to run it without"
        )


def _noted(package: Path) -> dict[str, Any] | None:
    try:
        text = (package / NOTE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    noted: dict[str, Any] = json.loads(text)
    return noted if noted["ending"] in EXTENSION_SUFFIXES else None


def _digest(path: Path) -> str | None:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
