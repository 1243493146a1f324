"""How another Python process of ours finds this package."""

import os
from pathlib import Path

import dwctl
from dwctl.core.settings import environment


def module_path() -> str:
    """For `PYTHONPATH`: where this package was found, then what was given."""
    given = environment().get("PYTHONPATH")
    here = str(Path(dwctl.__file__).parent.parent)
    return f"{here}{os.pathsep}{given}" if given else here
