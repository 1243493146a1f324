"""What is downloaded: lines of requests, and outputs and errors while their batch runs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from dwctl.core.ids import new_uuid
from dwctl.engine.files import store
from dwctl.requests.queue.lines import line_of
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.record import State
from tests.control.house import Person
from tests.engine.files.house import Files, decoded, jsonl, line
from tests.requests.queue.work import add_batch, outcome


class Work:
    """A batch with its two files, run by the test."""

    def __init__(self, files: Files, person: Person, batch_id: UUID) -> None:
        self.files = files
        self.person = person
        self.batch_id = batch_id
        self.queue = QueueStore(files.database)
        self.holder = new_uuid()
        self.output = self.errors = UUID(int=0)

    @classmethod
    async def begin(cls, files: Files, lines: int) -> "Work":
        """A batch whose lines wait."""
        person = await files.person()
        work = cls(files, person, await add_batch(files.database, lines, owner=person.id))
        row = await files.database.fetch_row("select output_file_id, error_file_id from batches")
        assert row is not None
        work.output, work.errors = row
        for file_id, kind in ((work.output, "output"), (work.errors, "error")):
            await files.database.execute(
                """insert into files (id, name, purpose, batch_id, owner_id, creator_id)
                values ($1, 'batch-' || $2::uuid || '-' || $3::text || '.jsonl', 'batch_' || $3, $2, $4, $4)""",
                file_id,
                work.batch_id,
                kind,
                person.id,
            )
        await work.queue.populate(work.batch_id, lines)
        return work

    async def run(self, *verdicts: State) -> None:
        """What becomes of the next lines."""
        lanes = {lane.id: len(verdicts) for lane in await self.queue.lanes()}
        claimed = await self.queue.claim(self.holder, lanes)
        settled = []
        for each, verdict in zip(claimed, verdicts, strict=True):
            made = outcome(each, verdict, owner=self.person.id)
            record = made.record
            made.size = len(
                line_of(each.id, each.custom_id, verdict, record.status_code, made.body, None, None)
            )
            settled.append(made)
        await self.queue.settle(self.holder, settled)

    async def get(self, file_id: UUID, **params: object) -> tuple[list[str], str, int]:
        """The custom ids of its lines, whether more will come, and where to go on."""
        answer = await self.files.call("GET", f"/files/{file_id}/content", self.person, params=params)
        assert answer.status_code == 200, answer.text
        names = [each["custom_id"] for each in decoded(answer.content)]
        return names, answer.headers["x-incomplete"], int(answer.headers["x-last-line"])


def names(*numbers: int) -> list[str]:
    return [f"line-{n}" for n in numbers]


async def test_parts_of_a_file_of_requests(files: Files) -> None:
    person = await files.person()
    content = jsonl(line(n) for n in range(1200))
    file_id = await files.upload(person, content)
    lines = content.splitlines(keepends=True)
    for params, wanted, last in (
        ({}, lines, 1200),
        ({"skip": 0, "limit": 3}, lines[:3], 3),
        ({"skip": 499, "limit": 3}, lines[499:502], 502),
        ({"offset": 1199}, lines[1199:], 1200),
        ({"skip": 1200}, [], 1200),
        ({"skip": 5000}, [], 5000),
        ({"skip": -3, "limit": 1}, lines[:1], 1),
        ({"limit": 0}, [], 0),
        ({"search": "LINE-119"}, [lines[119], *lines[1190:]], 11),
        ({"search": "line-119", "skip": 1, "limit": 2}, lines[1190:1192], 3),
        ({"search": "nothing"}, [], 0),
    ):
        answer = await files.call("GET", f"/files/{file_id}/content", person, params=params)
        assert answer.content == b"".join(wanted), params
        assert (answer.headers["x-incomplete"], answer.headers["x-last-line"]) == ("false", str(last)), params


async def test_requests_come_back_as_they_were_sent(files: Files) -> None:
    person = await files.person()
    odd = '{"model":"chat",  "input":"\\u00e4 \\ud83d\\ude00 ä 😀","n":1.0,"big":123456789012345678901234567890}'
    content = (
        f'{{"custom_id":"a \\"b\\" \\\\c","method":"POST","url":"/v1/responses","body":{odd}}}\n'.encode()
    )
    file_id = await files.upload(person, content)
    assert (await files.call("GET", f"/files/{file_id}/content", person)).content == content


async def test_a_page_ends_when_it_has_enough_bytes(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await files.person()
    content = jsonl(line(n, body={"model": "chat", "input": "x" * 3000}) for n in range(30))
    file_id = await files.upload(person, content)
    monkeypatch.setattr(store, "PAGE_BYTES", 10_000)
    page = await files.store.input_page(file_id, 0, 30, None)
    assert page is not None
    assert page[1] == 3
    assert (await files.call("GET", f"/files/{file_id}/content", person)).content == content


async def test_outputs_and_errors_grow_while_the_batch_runs(files: Files) -> None:
    work = await Work.begin(files, 6)
    assert await work.get(work.output) == ([], "true", 0)
    assert await work.get(work.errors) == ([], "true", 0)
    await work.run(State.COMPLETED, State.FAILED, State.COMPLETED)
    assert await work.get(work.output) == (names(0, 2), "true", 2)
    assert await work.get(work.errors) == (names(1), "true", 1)
    assert await work.get(work.output, skip=2) == ([], "true", 2)
    await work.run(State.FAILED, State.COMPLETED, State.COMPLETED)
    assert await work.get(work.output, skip=2) == (names(4, 5), "false", 4)
    assert await work.get(work.output, offset=1, limit=2) == (names(2, 4), "false", 3)
    assert await work.get(work.output, search="LINE-4") == (names(4), "false", 1)
    assert await work.get(work.output, search="line", skip=1, limit=2) == (names(2, 4), "false", 3)
    assert await work.get(work.errors, limit=1) == (names(1), "false", 1)
    assert await work.get(work.errors, skip=1) == (names(3), "false", 2)
    # What is shown as their size is what is downloaded.
    for file_id, name in ((work.output, "output"), (work.errors, "error")):
        shown = (await files.call("GET", f"/files/{file_id}", work.person)).json()
        text = (await files.call("GET", f"/files/{file_id}/content", work.person)).content
        assert shown["bytes"] == len(text)
        assert (shown["purpose"], shown["filename"]) == (
            f"batch_{name}",
            f"batch-{work.batch_id}-{name}.jsonl",
        )
    first = decoded((await files.call("GET", f"/files/{work.output}/content", work.person)).content)[0]
    assert first["response"]["status_code"] == 200
    assert first["response"]["body"] == {"ok": 1}


async def test_errors_that_are_tried_again_leave_holes(files: Files) -> None:
    work = await Work.begin(files, 4)
    await work.run(State.FAILED, State.FAILED, State.FAILED, State.COMPLETED)
    retried = await files.database.fetch_value("select id from requests where line = 0")
    assert await work.queue.retry(work.batch_id, [retried], datetime.now(UTC) + timedelta(hours=1)) == 1
    assert await work.get(work.errors) == (names(1, 2), "true", 3)
    assert await work.get(work.errors, limit=1) == (names(1), "true", 2)
    assert await work.get(work.errors, skip=2, limit=1) == (names(2), "true", 3)
    await work.run(State.FAILED)
    assert await work.get(work.errors, skip=3) == (names(0), "false", 4)


async def test_outputs_outlive_the_file_and_the_batch(files: Files) -> None:
    work = await Work.begin(files, 2)
    await work.run(State.COMPLETED, State.FAILED)
    file_id = await files.database.fetch_value("select file_id from batches")
    assert (await files.call("DELETE", f"/files/{file_id}", work.person)).status_code == 200
    while await files.keeping.step():
        pass
    await files.database.execute("update batches set deleted_at = now()")
    assert await work.get(work.output) == (names(0), "false", 1)
    await files.database.execute("delete from batches")
    assert await work.get(work.output) == ([], "false", 0)
    assert (await files.call("GET", f"/files/{work.output}", work.person)).json()["bytes"] == 0


async def test_a_large_output_comes_in_pages(files: Files) -> None:
    work = await Work.begin(files, 700)
    await work.run(*[State.COMPLETED] * 700)
    answer = await files.call("GET", f"/files/{work.output}/content", work.person)
    lines = answer.content.splitlines()
    assert [msgspec.json.decode(each)["custom_id"] for each in lines] == names(*range(700))
    assert len(answer.content) == await files.database.fetch_value("select output_bytes from batches")
