"""In which windows a model's batches may be done."""

from dwctl.db.postgres import Database
from dwctl.engine.settings import BatchSettings
from tests.control.house import House


async def test_windows_of_batches_are_some_of_those_that_are_configured(database: Database) -> None:
    house = House(database, batches=BatchSettings(allowed_completion_windows=("1h", "24h")))
    manager = await house.manager()
    endpoint = await house.endpoint("http://127.0.0.1:9/v1")
    name = "allowed_batch_completion_windows"
    wanted = {"model_name": "m", "hosted_on": str(endpoint), name: ["1h"]}
    made = (await house.api("POST", "/models", manager, wanted)).json()
    assert made[name] == ["1h"]
    path = f"/models/{made['id']}"
    for windows in (["24h", "1h"], [], None):
        assert (await house.api("PATCH", path, manager, {name: windows})).json()[name] == windows
    await house.api("PATCH", path, manager, {name: ["24h"]})
    assert (await house.api("PATCH", path, manager, {"description": "x"})).json()[name] == ["24h"]
    refused = await house.api("PATCH", path, manager, {name: ["24h", "2h"]})
    assert (refused.status_code, refused.text) == (
        400,
        "allowed_batch_completion_windows: expected some of 1h, 24h, got '2h'",
    )
    wanted |= {"model_name": "n", name: ["2h"]}
    assert (await house.api("POST", "/models", manager, wanted)).status_code == 400
