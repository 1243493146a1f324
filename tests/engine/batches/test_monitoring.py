"""How much work waits."""

from typing import Any

import pytest

from dwctl.db.postgres import Database
from dwctl.engine.settings import BatchSettings
from tests.control.house import House, Person
from tests.engine.batches.ground import Ground, failed

PATH = "/monitoring/pending-request-counts"
DEMAND = "/monitoring/demand"


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
    user = await ground.user()
    assert (await ground.house.api("GET", PATH, user)).status_code == 403
    assert (await ground.house.api("GET", f"{DEMAND}?window=1h", user)).status_code == 403


async def demand(ground: Ground, manager: Person, query: str) -> Any:
    """What is told."""
    answer = await ground.house.api("GET", f"{DEMAND}?{query}", manager)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_demand_by_windows_of_the_callers_choice(ground: Ground) -> None:
    user, manager = await ground.user(), await ground.house.manager()
    await ground.models("m", "n")
    assert await demand(ground, manager, "window=1h,24h") == {}
    await ground.made(user, ["m", "n", "m"])
    soon = await ground.made(user, ["m"] * 4, completion_window="1h")
    gone = await ground.made(user, ["n"] * 7)
    await ground.queue.cancel(gone)
    asked = "window=30m,2h,25h,0s:2h,2h:25h"
    nothing = {"30m": 0, "2h": 0, "25h": 0, "0s:2h": 0, "2h:25h": 0}
    assert await demand(ground, manager, asked) == {
        "m": nothing | {"25h": 2, "2h:25h": 2},
        "n": nothing | {"25h": 1, "2h:25h": 1},
    }
    # What is to be done within an hour is of the tier flex, as the contract has it.
    both = await demand(ground, manager, f"{asked}&service_tiers=batch,flex")
    assert both["m"] == {"30m": 0, "2h": 4, "25h": 6, "0s:2h": 4, "2h:25h": 2}
    assert both == await demand(ground, manager, f"{asked}&service_tiers=NULL,%20Flex,batch")
    cube = await demand(ground, manager, "window=2h,25h&service_tiers=batch,flex&group_by=service_tier")
    assert cube == {
        "m": {
            "2h": {"batch": {"pending": 0}, "flex": {"pending": 4}},
            "25h": {"batch": {"pending": 2}, "flex": {"pending": 4}},
        },
        "n": {"2h": {"batch": {"pending": 0}}, "25h": {"batch": {"pending": 1}}},
    }
    # What is being run still counts; what is overdue where there is no lower bound.
    await ground.populate(soon)
    assert len(await ground.claim()) == 4
    await ground.database.execute(
        "update lanes set deadline = now() - interval '10 min' where batch_id = $1", soon
    )
    late = await demand(ground, manager, "window=1h,0s:1h,-30m:1h&service_tiers=flex")
    assert late["m"] == {"1h": 4, "0s:1h": 0, "-30m:1h": 4}


async def test_demand_that_was(ground: Ground) -> None:
    user, manager = await ground.user(), await ground.house.manager()
    await ground.models("m")
    batch_id = await ground.made(user, ["m"] * 5)
    await ground.populate(batch_id)
    claimed = await ground.claim()
    await ground.settle(claimed[:3])
    await ground.settle(claimed[3:4], failed)
    await ground.database.execute(
        "update requests set completed_at = now() - interval '5 min' where completed_at is not null"
    )
    asked = "window=-1h,-1h:25h,-1h:-10m,25h"
    assert await demand(ground, manager, asked) == {"m": {"-1h": 4, "-1h:25h": 5, "-1h:-10m": 0, "25h": 1}}
    cube = await demand(ground, manager, f"{asked}&group_by=service_tier")
    ended = {"completed": 3, "failed": 1}
    assert cube["m"] == {
        "-1h": {"batch": {"pending": 0, **ended}},
        "-1h:25h": {"batch": {"pending": 1, **ended}},
        "-1h:-10m": {"batch": {"pending": 0, "completed": 0, "failed": 0}},
        "25h": {"batch": {"pending": 1}},
    }
    # Other tiers: a call that was never queued, and one that is under way.
    await ground.database.execute(
        "update requests set origin = 'api', background = false where id = any($1::uuid[])",
        [claimed[0].id, claimed[1].id],
    )
    await ground.database.execute(
        """update requests set
            state = 2, completed_at = null, daemon_id = gen_random_uuid(), created_at = now()
        where id = $1""",
        claimed[1].id,
    )
    cube = await demand(ground, manager, "window=-1h,1h&service_tiers=priority&group_by=service_tier")
    assert cube == {
        "m": {
            "-1h": {"priority": {"pending": 1, "completed": 1, "failed": 0}},
            "1h": {"priority": {"pending": 1}},
        }
    }


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("", "window"),
        ("window=", "window"),
        ("window=1d", "'1d'"),
        ("window=h", "'h'"),
        ("window=1h:", "'1h:'"),
        ("window=2h:1h", "before its end"),
        ("window=1h:1h", "before its end"),
        ("window=%D9%A1h", "window"),
        ("window=-169h", "168h"),
        ("window=9999999999h", "100 years"),
        ("window=" + ",".join(f"{n}h" for n in range(51)), "at most 50"),
        ("window=1h&service_tiers=gold", "service_tiers"),
        ("window=1h&group_by=model", "group_by"),
    ],
)
async def test_a_question_that_cannot_be_answered(ground: Ground, query: str, word: str) -> None:
    answer = await ground.house.api("GET", f"{DEMAND}?{query}", await ground.house.manager())
    assert answer.status_code == 400
    assert word in answer.text
