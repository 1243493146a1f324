"""The two C programs, compiled once for all tests here."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.programs import Programs, build


@pytest.fixture(scope="package", autouse=True)
def scratch_beside_the_others(open_directory: Path) -> Iterator[None]:
    """Databases of the contestants lie where those of the tests do."""
    before, tempfile.tempdir = tempfile.tempdir, str(open_directory)
    yield
    tempfile.tempdir = before


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return build(tmp_path_factory.mktemp("programs"))
