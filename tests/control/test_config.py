"""What pages need to know of this installation."""

from dwctl.db.postgres import Database
from dwctl.engine.responses.settings import AsyncRequestSettings
from dwctl.engine.settings import BatchSettings
from tests.control.house import House


async def test_for_everybody_who_is_known(house: House) -> None:
    answer = await house.api("GET", "/config", await house.person())
    assert answer.status_code == 200
    assert answer.json() == {
        "region": None,
        "organization": None,
        "title": None,
        "payment_enabled": False,
        "docs_url": None,
        "docs_jsonl_url": None,
        "onwards": {"strict_mode": False},
        "batches": {
            "enabled": True,
            "allowed_completion_windows": ["24h"],
            "allowed_url_paths": [
                "/v1/chat/completions",
                "/v1/completions",
                "/v1/embeddings",
                "/v1/responses",
            ],
            "async_requests": {"enabled": True, "completion_window": "1h"},
        },
    }
    assert (await house.api("GET", "/config")).status_code == 401


async def test_what_a_flex_call_is_promised(database: Database) -> None:
    queued = AsyncRequestSettings(enabled=False, completion_window="2h")
    house = House(database, batches=BatchSettings(async_requests=queued))
    shown = (await house.api("GET", "/config", await house.person())).json()
    assert shown["batches"]["async_requests"] == {"enabled": False, "completion_window": "2h"}


async def test_without_batches_there_is_nothing_about_them(database: Database) -> None:
    house = House(database, batches=BatchSettings(enabled=False))
    assert "batches" not in (await house.api("GET", "/config", await house.person())).json()
