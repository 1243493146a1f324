"""How long outputs of batches live, and that their answers go with them."""

from datetime import datetime, timedelta
from uuid import UUID

from dwctl.db.postgres import Database
from dwctl.engine.files.settings import FileSettings
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.windows import deadline_of
from dwctl.requests.record import State
from tests.control.house import House
from tests.engine.files.house import Files
from tests.engine.files.test_content import Work

MONTH = timedelta(days=30)
OK, BAD = State.COMPLETED, State.FAILED


async def ends(database: Database) -> list[datetime | None]:
    """When the two files are over."""
    return [
        row["expires_at"]
        for row in await database.fetch(
            "select expires_at from files where batch_id is not null order by purpose"
        )
    ]


async def ended_at(database: Database) -> datetime:
    """The end of the batch."""
    found = await database.fetch_value("select coalesce(completed_at, failed_at, cancelled_at) from batches")
    assert isinstance(found, datetime)
    return found


async def kept(database: Database) -> tuple[int, int]:
    """Answers and requests that are there."""
    row = await database.fetch_row(
        "select (select count(*) from contents) as answers, (select count(*) from requests) as rows"
    )
    assert row is not None
    return row["answers"], row["rows"]


async def keep_house(files: Files) -> None:
    """Until nothing is left to do."""
    while await files.keeping.step():
        pass


async def shown(files: Files, work: Work, file_id: UUID) -> int:
    """The status of its content."""
    return (await files.call("GET", f"/files/{file_id}/content", work.person)).status_code


async def test_outputs_end_a_month_after_their_batch_and_take_the_answers_along(files: Files) -> None:
    database = files.database
    work = await Work.begin(files, 4)
    await work.run(OK, BAD)
    await keep_house(files)
    assert await ends(database) == [None, None]
    await work.run(OK, BAD)
    await keep_house(files)
    assert await ends(database) == [await ended_at(database) + MONTH] * 2
    listed = await files.call("GET", f"/files/{work.output}", work.person)
    assert listed.json()["expires_at"] == int((await ended_at(database) + MONTH).timestamp())
    assert await kept(database) == (4, 4)
    await database.execute("update files set expires_at = now() where id = $1", work.output)
    await keep_house(files)
    assert [await shown(files, work, each) for each in (work.output, work.errors)] == [404, 200]
    assert await kept(database) == (2, 4)
    assert (await work.get(work.errors))[0] == ["line-1", "line-3"]
    await database.execute("update files set expires_at = now() where batch_id is not null")
    await keep_house(files)
    assert await kept(database) == (0, 4)
    assert (await files.left())["files"] == 1, "what the batch was made of"


async def test_an_end_that_was_asked_for_stays(files: Files) -> None:
    work = await Work.begin(files, 1)
    await files.database.execute(
        "update files set expires_at = now() + interval '2 h' where batch_id is not null"
    )
    asked = await ends(files.database)
    await work.run(OK)
    await keep_house(files)
    assert await ends(files.database) == asked


async def test_without_a_default_they_live_until_they_are_deleted(house: House) -> None:
    files = Files(house, settings=FileSettings(default_output_expiry_seconds=None))
    work = await Work.begin(files, 3)
    await work.run(OK, OK, BAD)
    await files.database.execute("update batches set completed_at = completed_at - interval '2 years'")
    await keep_house(files)
    assert await ends(files.database) == [None, None]
    assert (await files.call("DELETE", f"/files/{work.output}", work.person)).status_code == 200
    await keep_house(files)
    assert await kept(files.database) == (1, 3)
    assert await shown(files, work, work.errors) == 200


async def test_outputs_from_before_there_was_an_end_have_a_week(files: Files) -> None:
    work = await Work.begin(files, 1)
    await work.run(OK)
    await files.database.execute("update batches set completed_at = completed_at - interval '100 days'")
    before = await files.database.fetch_value("select now() + interval '7 days'")
    await keep_house(files)
    for end in await ends(files.database):
        assert end is not None
        assert before <= end <= before + timedelta(minutes=1)


async def test_an_output_that_is_deleted_while_its_batch_runs_goes_when_that_has_ended(files: Files) -> None:
    work = await Work.begin(files, 3)
    await work.run(OK)
    assert (await files.call("DELETE", f"/files/{work.output}", work.person)).status_code == 200
    await keep_house(files)
    assert await kept(files.database) == (1, 3)
    await work.run(OK, BAD)
    await keep_house(files)
    assert await kept(files.database) == (1, 3)
    assert await shown(files, work, work.errors) == 200


async def test_answers_go_in_steps_that_can_be_repeated(files: Files) -> None:
    work = await Work.begin(files, 7)
    await work.run(*[OK] * 7)
    assert (await files.call("DELETE", f"/files/{work.output}", work.person)).status_code == 200
    left = []
    while await files.store.clear_step(3, 3) is not None:
        left.append((await kept(files.database))[0])
    assert left == [4, 1, 0]


async def test_a_retry_moves_the_end(files: Files) -> None:
    database, queue = files.database, QueueStore(files.database)
    work = await Work.begin(files, 2)
    await work.run(OK, BAD)
    await database.execute("update batches set completed_at = completed_at - interval '9 h'")
    await keep_house(files)
    first = await ends(database)
    assert await queue.retry_failed(work.batch_id, 10, deadline_of("24h")) == 1
    assert await ends(database) == [None, None]
    await work.run(OK)
    await keep_house(files)
    second = await ends(database)
    assert second == [await ended_at(database) + MONTH] * 2
    assert second != first
