"""Lines for people on a terminal, JSON for machines."""

import io
import logging
from collections.abc import Iterator
from datetime import datetime

import msgspec
import pytest

from dwctl.core import logs


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        """It is."""
        return True


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """As it was, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_has_time_level_place_and_fields() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    logging.getLogger("dwctl.x").warning("so %s", "it is", extra={"fields": {"model": "m", "odd": object}})
    line = msgspec.json.decode(out.getvalue())
    assert datetime.fromisoformat(line["ts"]).tzinfo is not None
    assert (line["level"], line["logger"], line["message"], line["model"]) == (
        "warning",
        "dwctl.x",
        "so it is",
        "m",
    )


def test_a_failure_is_one_line_of_json() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    try:
        raise ValueError("broke")
    except ValueError:
        logging.getLogger("dwctl.x").exception("it failed\nbadly")
    text = out.getvalue()
    assert text.count("\n") == 1
    assert "ValueError: broke" in msgspec.json.decode(text)["error"]


def test_people_get_lines_with_colours_for_what_matters() -> None:
    out = Terminal()
    logs.configure(stream=out)
    logging.getLogger("dwctl.routing.sync").info("fresh")
    logging.getLogger("dwctl.routing.sync").error("stale")
    calm, alarming = out.getvalue().splitlines()
    assert calm.endswith("info    routing.sync  fresh")
    assert alarming.startswith("\x1b[31m")


def test_levels_hold() -> None:
    out = io.StringIO()
    logs.configure(level="warning", stream=out, json=True)
    logging.getLogger("dwctl.x").info("no")
    logging.getLogger("httpx").warning("yes")
    assert [msgspec.json.decode(line)["message"] for line in out.getvalue().splitlines()] == ["yes"]
