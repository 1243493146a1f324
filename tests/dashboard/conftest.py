"""A machine without Node.js."""

import shutil

import pytest


@pytest.fixture
def bare_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with what every machine has, and nothing else."""
    folder = tmp_path_factory.mktemp("bin")
    for name in ("env", "sh", "git", "uname"):
        found = shutil.which(name)
        assert found is not None, f"{name} is not there"
        (folder / name).symlink_to(found)
    return str(folder)
