"""Parts for tests of the engine."""

import pytest

from dwctl.db.postgres import Database
from tests.control.house import House


@pytest.fixture
def house(database: Database) -> House:
    """The routes on a fresh database."""
    return House(database)
