"""`dwctl openapi` prints what the server answers with, and the dashboard's types are made from that."""

import json
from pathlib import Path

import pytest

from dwctl import __version__
from dwctl.db.postgres import Database
from tests.cli.command import dwctl
from tests.control.house import House
from tests.processes import ROOT


@pytest.mark.parametrize("api", ["admin", "ai"])
async def test_it_is_the_servers_document(database: Database, tmp_path: Path, api: str) -> None:
    done = dwctl("openapi", api, directory=tmp_path)
    assert done.status == 0, done.errors
    told = json.loads(done.output)
    served = (await House(database).call("GET", f"/{api}/openapi.json")).json()
    assert told["info"].pop("version") == __version__
    served["info"].pop("version")
    assert told == served


def test_the_dashboards_types_are_made_from_it(tmp_path: Path) -> None:
    committed = (ROOT / "dashboard" / "openapi.json").read_text(encoding="utf-8")
    told = dwctl("openapi", "admin", directory=tmp_path).output
    assert committed == told, "run: dwctl openapi admin > dashboard/openapi.json"


def test_another_word_is_refused(tmp_path: Path) -> None:
    done = dwctl("openapi", "other", directory=tmp_path)
    assert done.status == 2
    assert "'admin', 'ai'" in done.errors
