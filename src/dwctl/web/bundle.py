"""The built dashboard as files to answer with: found by name, read once, compressed when it was built.

Only names that were listed are known, so no path leads out of the folder. What Vite names by its content (`assets/`)
may be kept for ever; everything else is asked for again each time, by its ETag.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

INDEX = "index.html"
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""What a browser may take, the best first, and the end of the file that has it."""
_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}


class File(msgspec.Struct, frozen=True):
    """One file, with every form it can be sent in by its content coding; `""` is as it is."""

    forms: dict[str, bytes]
    media_type: str
    etag: str
    cache_control: str


class Answer(msgspec.Struct, frozen=True):
    """A status, headers, and a body that is empty where the browser has it already."""

    status: int
    media_type: str
    headers: dict[str, str]
    body: bytes


class Bundle:
    """A folder that does not change any more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        endings = tuple(ENCODINGS.values())
        self._names = frozenset(
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and not path.name.endswith(endings)
        )
        self._files: dict[str, File] = {}

    def file(self, name: str) -> File | None:
        """By its name in the folder, such as `assets/index-1a2b3c4d.js`."""
        if name not in self._names:
            return None
        found = self._files.get(name)
        if found is None:
            found = self._files[name] = _read(self._folder, name)
        return found


def _read(folder: Path, name: str) -> File:
    body = (folder / name).read_bytes()
    forms = {"": body}
    for coding, ending in ENCODINGS.items():
        path = folder / f"{name}{ending}"
        if path.is_file():
            forms[coding] = path.read_bytes()
    ending = Path(name).suffix
    return File(
        forms=forms,
        media_type=_TYPES.get(ending, "application/octet-stream"),
        etag=hashlib.blake2b(body, digest_size=12).hexdigest(),
        cache_control=_FOREVER if name.startswith("assets/") else _ASK_AGAIN,
    )


def answer(file: File, headers: Mapping[str, str]) -> Answer:
    """What a request with these headers gets: the form it can read, or 304 when it has the file."""
    coding = choose_coding(headers.get("accept-encoding", ""), file.forms)
    # Each form is a representation of its own, with a tag of its own.
    etag = f'"{file.etag}-{coding}"' if coding else f'"{file.etag}"'
    sent = {"etag": etag, "cache-control": file.cache_control, "vary": "accept-encoding"}
    if _matches(headers.get("if-none-match", ""), etag):
        return Answer(304, file.media_type, sent, b"")
    if coding:
        sent["content-encoding"] = coding
    return Answer(200, file.media_type, sent, file.forms[coding])


def choose_coding(accepted: str, forms: Mapping[str, bytes]) -> str:
    """The first of `ENCODINGS` that is there and accepted; `""` when none is."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        word, _, parameters = part.partition(";")
        weights[word.strip()] = _weight(parameters)
    everything = weights.get("*", 0.0)
    return next((name for name in ENCODINGS if name in forms and weights.get(name, everything) > 0), "")


def _weight(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _matches(given: str, etag: str) -> bool:
    return any(part.strip().removeprefix("W/") in (etag, "*") for part in given.split(","))
