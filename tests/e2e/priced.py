"""Models that cost something, each for one test: the others stay free for all."""

import msgspec

from tests.e2e.house import House

EVERYONE = "00000000-0000-0000-0000-000000000000"
ENTRY, OUT = "0.0000025", "0.00001"
"""Prices of one token: 2.50 and 10.00 for a million."""


class Priced(msgspec.Struct, frozen=True):
    """A pool that is open to everyone."""

    id: str
    alias: str


STANDARD = {"name": "standard", "input_price_per_token": ENTRY, "output_price_per_token": OUT}


def priced(house: House, *tariffs: dict[str, str], target: str = "fake-model", free: bool = False) -> Priced:
    """Make one, with a tariff for every call unless others are given, or none."""
    alias = house.name("priced")
    wanted = {
        "type": "composite",
        "model_name": alias,
        "model_type": "CHAT",
        "tariffs": [] if free else (list(tariffs) or [STANDARD]),
    }
    made: str = house.call("POST", "/models", wanted).json()["id"]
    target_id = house.call("GET", f"/models?search={target}").json()["data"][0]["id"]
    house.call("POST", f"/models/{made}/components/{target_id}", {"weight": 1})
    house.call("POST", f"/groups/{EVERYONE}/models/{made}")
    return Priced(made, alias)
