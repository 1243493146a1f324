"""Parts for tests of files."""

import pytest

from dwctl.db.postgres import Database
from tests.control.house import House
from tests.engine.files.house import Files


@pytest.fixture
def house(database: Database) -> House:
    """People on a fresh database."""
    return House(database)


@pytest.fixture
def files(house: House) -> Files:
    """Files with the usual limits."""
    return Files(house)
