"""The two C programs, compiled once for all tests here."""

import pytest
from benchmarks.programs import Programs, build


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return build(tmp_path_factory.mktemp("programs"))
