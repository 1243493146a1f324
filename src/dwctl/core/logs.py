"""Logging: lines for people on a terminal, JSON lines otherwise. Nothing is configured at import.

Every JSON line has `ts` (RFC 3339, UTC), `level`, `logger`, `message`, and `error` with the traceback if there
is one; fields given by `extra={"fields": {...}}` stand beside them.
"""

import logging
import sys
import time
from datetime import UTC, datetime
from typing import TextIO

import msgspec

_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31;1m"}
_RESET = "\x1b[0m"


class HumanFormat(logging.Formatter):
    """`12:30:05 warning routing.sync  text`."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        name = record.name.removeprefix("dwctl.")
        text = f"{moment} {record.levelname.lower():<7} {name}  {record.getMessage()}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        colour = _COLOURS.get(record.levelname)
        return f"{colour}{text}{_RESET}" if colour else text


class JsonFormat(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line |= fields
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def configure(*, level: str = "info", stream: TextIO | None = None, json: bool | None = None) -> None:
    """Send everything to `stream` (standard error); `json=None` decides by whether it is a terminal."""
    out = stream or sys.stderr
    as_json = not out.isatty() if json is None else json
    sink = logging.StreamHandler(out)
    sink.setFormatter(JsonFormat() if as_json else HumanFormat())
    root = logging.getLogger()
    root.handlers[:] = [sink]
    root.setLevel(level.upper())
    # Libraries that say at `info` what only their authors need.
    for noisy in ("httpx", "httpcore", "asyncio", "litestar"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    # Its pool tells each failed attempt with a traceback; whoever needs the database says in a line that it is away.
    logging.getLogger("asyncpg").setLevel(logging.ERROR)
