"""A server of tools."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.answers import json_reply
from tests.fakes.shapes import Json
from tests.fakes.tools import ToolServer
from tests.fakes.upstream import FakeUpstream


def weather(asked: Json) -> Json:
    """A tool that says what it was asked."""
    return {"city": asked.get("city"), "sun": True}


@pytest.fixture
async def server() -> AsyncIterator[FakeUpstream]:
    """One with the tools `weather` and `clock`."""
    async with FakeUpstream(ToolServer(weather=weather, clock=json_reply({"hour": 7}))) as running:
        yield running
