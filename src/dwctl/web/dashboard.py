"""The dashboard at every path that is no route: its files, its page, and what to say while there is none.

The page is one for all paths, which its script reads. The folder is looked at for each request, so that a dashboard
that is built while the server runs is there at once:

```
bundle/      what is served; put in place as a whole
building     a file that is locked while a build runs
failed.txt   why the last build came to nothing
```
"""

import fcntl
import os
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response

from dwctl.web.bundle import INDEX, Bundle, answer
from dwctl.web.no_dashboard import Missing, page, text
from dwctl.web.security import ALWAYS

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
READING = ("GET", "HEAD")
FILES = ("assets/",)
"""Below these nothing is a page."""
MOST_TOLD = 2000
"""Characters of a failed build's last words."""


class Place(msgspec.Struct, frozen=True):
    """Where a path leads."""

    name: str
    """Without the slash at its beginning."""
    is_page: bool
    """Whether the page answers when there is no such file."""


def place(path: str, accept: str) -> Place | None:
    """Where a decoded path leads for who accepts this; None for what no page may have."""
    name = path.lstrip("/")
    if "\\" in name or "\0" in name or ".." in name.split("/"):
        return None
    is_page = not name or ("text/html" in accept and not name.startswith(FILES))
    return Place(name or INDEX, is_page)


class Dashboard:
    """The folder of the built dashboard."""

    def __init__(self, folder: Path, version: str, *, source: bool) -> None:
        """`source`: whether this is a source tree, where a build can be asked for."""
        self._folder = folder
        self._version = version
        self._source = source
        self._bundle: Bundle | None = None
        self._seen: tuple[int, int] | None = None

    def answer(self, request: Request[Any, Any, Any]) -> Response[Any] | None:
        """The answer to a request that no route took; None when it is for no page either."""
        headers = request.headers
        found = place(request.url.path, headers.get("accept", ""))
        if request.method not in READING or found is None:
            return None
        bundle = self._current()
        if bundle is None:
            return self._without(found, headers.get("accept", "")) if found.is_page else None
        file = bundle.file(found.name)
        if file is None and found.is_page:
            file = bundle.file(INDEX)
        if file is None:
            return None
        told = answer(file, headers)
        sent = {**ALWAYS, "content-security-policy": POLICY, **told.headers}
        return Response(told.body, status_code=told.status, media_type=told.media_type, headers=sent)

    def _current(self) -> Bundle | None:
        """The bundle that lies there now, read anew when it is another one."""
        folder = self._folder / "bundle"
        try:
            there = (folder / INDEX).stat()
        except OSError:
            self._bundle = self._seen = None
            return None
        if self._seen != (there.st_ino, there.st_mtime_ns):
            self._bundle = Bundle(folder)
            self._seen = (there.st_ino, there.st_mtime_ns)
        return self._bundle

    def _without(self, found: Place, accept: str) -> Response[Any]:
        missing = Missing(
            version=self._version, source=self._source, building=self._building(), failure=self._failure()
        )
        status = 200 if found.name == INDEX else 404
        if "text/html" not in accept:
            return Response(text(missing), status_code=status, media_type="text/plain", headers=ALWAYS)
        shown = page(missing)
        headers = {**ALWAYS, "content-security-policy": shown.policy}
        return Response(shown.html, status_code=status, media_type="text/html", headers=headers)

    def _building(self) -> bool:
        """Whether somebody holds the lock of a build."""
        try:
            handle = os.open(self._folder / "building", os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False

    def _failure(self) -> str | None:
        try:
            return (self._folder / "failed.txt").read_text(encoding="utf-8", errors="replace")[-MOST_TOLD:]
        except OSError:
            return None
