"""Parts for tests of the control plane."""

from collections.abc import AsyncIterator

import pytest

from dwctl.db.postgres import Database
from tests.control.house import House
from tests.control.model_server import ModelServer


@pytest.fixture
def house(database: Database) -> House:
    """The control plane on a fresh database."""
    return House(database)


@pytest.fixture
async def model_server() -> AsyncIterator[ModelServer]:
    """A server with a list of models, on a real socket."""
    server = ModelServer()
    await server.start()
    yield server
    await server.stop()
