"""What the engine's tests share: the loop it runs on in production, and a model server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from dwctl.db.postgres import Database
from tests.control.house import House
from tests.fakes.upstream import FakeUpstream


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop, as `dwctl serve` uses it."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    """A well-behaved model server, until a test tells it otherwise."""
    async with FakeUpstream() as running:
        yield running


@pytest.fixture
def house(database: Database) -> House:
    """The routes on a fresh database."""
    return House(database)
