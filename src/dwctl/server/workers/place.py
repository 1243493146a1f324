"""Where a process stands among the workers of one start, and the folder that they share.

```
<data_dir>/workers/<id>/lock     held by the first worker for as long as it lives
<data_dir>/workers/<id>/…        whatever workers share in files, such as memory that all of them map
```

The folder is made before the first worker starts, is the same for all of them and for no other start, and goes at
the end. One whose first worker was killed is found by its free lock and deleted by the next start.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from dwctl.core.errors import SetupError
from dwctl.core.ids import new_id
from dwctl.requests.spool import take_lock

FOLDER = "workers"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Which worker this process is."""

    index: int
    """0 for the one that was started; it owns the port, the embedded database and the others."""
    count: int
    """How many workers there are, this one among them."""
    folder: str
    """Of this start; the same path in every worker."""

    @property
    def first(self) -> bool:
        """Whether what may run only once on a machine runs here."""
        return self.index == 0


@contextmanager
def shared_folder(data_dir: Path) -> Iterator[Path]:
    """A fresh folder for the workers of this start; what killed starts have left is deleted."""
    above = data_dir / FOLDER
    try:
        above.mkdir(exist_ok=True)
        _sweep(above)
        folder = above / new_id()
        folder.mkdir(mode=0o700)
        lock = take_lock(folder)
    except OSError as error:
        raise SetupError(f"{above} cannot be written: {error.strerror or error}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _sweep(above: Path) -> None:
    for folder in above.iterdir():
        if not (folder / "lock").is_file():
            # Another start is just making it, or it is none of ours.
            continue
        lock = take_lock(folder)
        if lock >= 0:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
