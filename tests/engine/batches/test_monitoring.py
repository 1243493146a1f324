"""How much work waits."""

import pytest

from dwctl.db.postgres import Database
from dwctl.engine.settings import BatchSettings
from tests.control.house import House
from tests.engine.batches.ground import Ground

PATH = "/monitoring/pending-request-counts"


@pytest.fixture
def ground(database: Database) -> Ground:
    settings = BatchSettings(allowed_completion_windows=("1h", "24h"))
    return Ground(House(database, batches=settings))


async def test_by_model_and_window(ground: Ground) -> None:
    user, manager = await ground.user(), await ground.house.manager()
    await ground.models("m", "n")
    assert (await ground.house.api("GET", PATH, manager)).json() == {}
    soon = await ground.made(user, ["m", "n", "m"], completion_window="1h")
    await ground.made(user, ["m"] * 5)
    gone = await ground.made(user, ["n"] * 7)
    await ground.queue.cancel(gone)
    expected = {"m": {"1h": 2, "24h": 7}, "n": {"1h": 1, "24h": 1}}
    assert (await ground.house.api("GET", PATH, manager)).json() == expected
    await ground.populate(soon)
    claimed = await ground.claim()
    assert (await ground.house.api("GET", PATH, manager)).json() == expected
    await ground.settle(claimed)
    assert (await ground.house.api("GET", PATH, manager)).json() == {"m": {"1h": 0, "24h": 5}}
    # What is overdue is due within every window.
    await ground.database.execute("update lanes set deadline = now() - interval '1 h'")
    assert (await ground.house.api("GET", PATH, manager)).json() == {"m": {"1h": 5, "24h": 5}}


async def test_for_whom(ground: Ground) -> None:
    assert (await ground.house.api("GET", PATH, await ground.user())).status_code == 403
