"""What dead uploads leave, and who takes it away."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from dwctl.core.errors import Unavailable
from dwctl.core.ids import new_uuid
from dwctl.core.services import end_task, start_task
from tests.engine.files.house import Files, apart_of, form, jsonl, line
from tests.engine.files.test_slots import NOTHING


async def begun(files: Files, *, lines: int = 12_000) -> tuple[AsyncIterator[bytes], asyncio.Event]:
    """A body that stops in the middle of its file."""
    body = form(jsonl(line(n) for n in range(lines)))
    there = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body) - 1000, 50_000):
            yield body[at : at + 50_000]
        there.set()
        await asyncio.Event().wait()

    return pieces(), there


async def test_an_upload_under_way_is_left_alone(files: Files) -> None:
    await files.register()
    person = await files.person()
    body, there = await begun(files)
    upload = start_task(files.send(person, body), name="upload")
    await there.wait()
    assert await files.keeping.step() is False
    assert (await files.left())["files"] == 1
    listed = await files.call("GET", "/files", person)
    assert listed.json()["data"] == []
    await end_task(upload)
    assert await files.left() == NOTHING


@pytest.mark.parametrize("death", ["stopped", "silent", "gone"])
async def test_uploads_of_a_dead_process(files: Files, death: str) -> None:
    await files.register()
    owner, file_id = new_uuid(), new_uuid()
    await files.store.begin(
        file_id, "x", owner_id=owner, creator_id=owner, key_id=None, daemon_id=files.daemon_id
    )
    await files.store.add_piece(file_id, 0, b"x")
    await files.database.execute(
        "insert into file_lines select $1, n, 'a', 'm', '/v1/x', 0, 'x' from generate_series(0, 9999) n",
        file_id,
    )
    assert await files.keeping.step() is False
    killed = {
        "stopped": "update daemons set stopped_at = now()",
        "silent": "update daemons set last_heartbeat = now() - make_interval(secs => 61)",
        "gone": "delete from daemons",
    }
    await files.database.execute(killed[death])
    steps = 0
    while await files.keeping.step():
        steps += 1
        # If it only seemed dead: it can neither add to the file nor finish it.
        with pytest.raises(Unavailable):
            await files.store.add_piece(file_id, 1, b"y")
        with pytest.raises(Unavailable):
            await files.store.finish(file_id, purpose="batch", size=1, lines=1, models={}, expires_in=None)
    assert steps == 3
    assert await files.left() == NOTHING


async def test_nothing_is_added_to_a_file_while_its_row_goes(files: Files) -> None:
    """A copy that had found its file uploading ends first; only then the row goes, and every line with it."""
    owner, file_id = new_uuid(), new_uuid()
    await files.store.begin(file_id, "x", owner_id=owner, creator_id=owner, key_id=None, daemon_id=owner)
    async with files.database.transaction() as connection:
        await connection.execute("select from files where id = $1 for key share", file_id)
        await files.keeping.step()
        await connection.execute("insert into file_pieces values ($1, 0, 'x')", file_id)
        assert await files.store.clear_step(10, 10, file_id) is None
    while await files.keeping.step():
        pass
    assert await files.left() == NOTHING


async def test_an_upload_whose_row_could_not_be_told(files: Files) -> None:
    """The process lives, so only it can know that the upload is dead."""
    await files.register()
    owner, file_id = new_uuid(), new_uuid()
    await files.store.begin(
        file_id, "x", owner_id=owner, creator_id=owner, key_id=None, daemon_id=files.daemon_id
    )
    files.uploads.failed.add(file_id)
    while await files.keeping.step():
        pass
    assert await files.left() == NOTHING
    assert files.uploads.failed == set()


async def test_the_process_that_reads_lines_is_killed(files: Files) -> None:
    await files.register()
    body = form(jsonl(line(n) for n in range(20_000)))

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 100_000):
            if at == 1_000_000:
                for child in apart_of(os.getpid()):
                    os.kill(child, signal.SIGKILL)
            yield body[at : at + 100_000]

    answer = await files.send(await files.person(), pieces())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert await files.left() == NOTHING


async def test_the_database_goes_away_in_the_middle_of_an_upload(files: Files) -> None:
    """The rows cannot be taken: the upload ends, the process that reads lines too, and nothing is seen."""
    person = await files.person()
    body = form(jsonl(line(n) for n in range(20_000)))

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 100_000):
            if at == 1_000_000:
                await files.database.execute("alter table file_lines rename to elsewhere")
            yield body[at : at + 100_000]

    answer = await files.send(person, pieces())
    assert answer.status_code == 500
    await files.database.execute("alter table elsewhere rename to file_lines")
    assert (await files.call("GET", "/files", person)).json()["data"] == []
    while await files.keeping.step():
        pass
    assert await files.left() == NOTHING
