"""The list of processes."""

from typing import Any

from dwctl.core.ids import new_uuid
from tests.control.house import House

PATH = "/ai/v1/daemons"


async def add(house: House, *, silent: int = 0, stopped: bool = False) -> str:
    """A process that was heard of so many seconds ago."""
    ident = new_uuid()
    await house.database.execute(
        """insert into daemons (
            id, kind, hostname, pid, version, installation_id, config, stats, last_heartbeat, stopped_at
        )
        values (
            $1, 'gateway', 'here', 7, '1.2.3', $1, '{"a": 1}', '{"requests_processed": 5}',
            now() - make_interval(secs => $2), case when $3 then now() end
        )""",
        ident,
        float(silent),
        stopped,
    )
    return str(ident)


async def listed(house: House, query: str = "") -> dict[str, dict[str, Any]]:
    """What an administrator sees, by id."""
    answer = await house.call("GET", PATH + query, (await house.admin()).headers)
    assert answer.status_code == 200, answer.text
    return {each["id"]: each for each in answer.json()["daemons"]}


async def test_processes_and_whether_they_live(house: House) -> None:
    lives, silent, stopped = await add(house), await add(house, silent=60), await add(house, stopped=True)
    forgotten = await add(house, silent=2 * 86_400)
    found = await listed(house)
    assert {ident: each["status"] for ident, each in found.items()} == {
        lives: "running", silent: "dead", stopped: "dead"
    }  # fmt: skip
    assert forgotten not in found
    assert found[lives]["stopped_at"] is None
    assert found[stopped]["stopped_at"] is not None
    assert (found[lives]["hostname"], found[lives]["pid"], found[lives]["version"]) == ("here", 7, "1.2.3")
    assert (found[lives]["config"], found[lives]["stats"]) == ({"a": 1}, {"requests_processed": 5})
    assert set(await listed(house, "?status=running")) == {lives}
    assert set(await listed(house, "?status=dead")) == {silent, stopped}
    assert await listed(house, "?status=initializing") == {}


async def test_an_odd_status_is_refused(house: House) -> None:
    answer = await house.call("GET", f"{PATH}?status=odd", (await house.admin()).headers)
    assert answer.status_code == 400
    assert "status" in answer.text
