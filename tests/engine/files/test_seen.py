"""Lists, single files, estimates and deletion: who sees what."""

import asyncio
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from dwctl.core.ids import new_uuid
from dwctl.core.services import start_task
from dwctl.requests.queue.store import QueueStore
from dwctl.usage.prices import Tariff, Tariffs
from tests.control.house import Person
from tests.engine.files.house import Files, jsonl, line, message
from tests.requests.queue.work import add_batch

UNKNOWN = "0198b6a7-0000-7000-8000-000000000000"


async def ids(files: Files, who: Person, **params: object) -> list[UUID]:
    answer = await files.call("GET", "/files", who, params=params)
    assert answer.status_code == 200, answer.text
    return [UUID(each["id"]) for each in answer.json()["data"]]


async def test_a_list_is_read_page_by_page(files: Files) -> None:
    person = await files.person()
    made = [await files.house.file(person, name=f"file {n}.TXT") for n in range(5)]
    # The same moment for all: the id decides.
    await files.database.execute("update files set created_at = now()")
    assert await ids(files, person) == made[::-1]
    assert await ids(files, person, order="asc") == made
    for order, wanted in (("desc", made[::-1]), ("asc", made)):
        seen: list[UUID] = []
        more, after = True, None
        while more:
            params = {"limit": 2, "order": order} | ({} if after is None else {"after": after})
            page = (await files.call("GET", "/files", person, params=params)).json()
            seen += [UUID(each["id"]) for each in page["data"]]
            assert (page["object"], page["first_id"]) == ("list", page["data"][0]["id"])
            more, after = page["has_more"], f"file-{page['last_id']}"
        assert seen == wanted
    assert await ids(files, person, search="FILE 3") == [made[3]]
    assert await ids(files, person, search="%") == []
    assert await ids(files, person, purpose="batch") == []
    assert await ids(files, person, limit=0) == [made[4]]
    empty = (await files.call("GET", "/files", person, params={"purpose": "batch"})).json()
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    for after, expected in ((UNKNOWN, "after: expected the id of a file"), ("x", "after: expected a UUID")):
        answer = await files.call("GET", "/files", person, params={"after": after})
        assert (answer.status_code, message(answer).startswith(expected)) == (400, True)
    # What it goes on after may have gone meanwhile.
    await files.call("DELETE", f"/files/{made[2]}", person)
    assert await ids(files, person, after=made[2]) == [made[1], made[0]]


async def test_who_sees_which_files(files: Files) -> None:
    person, other, manager = await files.person(), await files.person(), await files.house.manager()
    theirs, others, own = [await files.house.file(each) for each in (person, other, manager)]
    assert await ids(files, person) == [theirs]
    assert await ids(files, manager) == [own, others, theirs]
    assert await ids(files, manager, own="true") == [own]
    assert await ids(files, manager, member_id=other.id) == [others]
    assert await ids(files, person, member_id=other.id) == []
    answer = await files.call("GET", "/files", person, params={"after": others})
    assert answer.status_code == 400
    reader = await files.house.person("ConnectionsUser")
    assert (await files.call("DELETE", f"/files/{await files.house.file(reader)}", reader)).status_code == 403
    nobody = await files.house.person()
    answer = await files.call("GET", "/files", nobody)
    assert (answer.status_code, message(answer)) == (403, "Insufficient permissions to Read Files")


async def test_a_key_of_an_organization_sees_its_files_alone(files: Files) -> None:
    manager = await files.house.manager()
    own = await files.house.file(manager)
    organization = new_uuid()
    await files.database.execute(
        """insert into users (id, username, email, display_name, user_type)
        values ($1, 'acme', 'acme@example.com', 'Acme', 'organization')""",
        organization,
    )
    key_id, headers = await files.house.key(manager)
    await files.database.execute("update api_keys set user_id = $2 where id = $1", key_id, organization)
    file_id = await files.upload(headers, jsonl([line(1)]))
    listed = (await files.call("GET", "/files", headers)).json()["data"]
    assert [(each["id"], each["context_type"], each["context_name"]) for each in listed] == [
        (str(file_id), "organization", "Acme")
    ]
    assert listed[0]["created_by_email"] == manager.email
    assert (await files.call("GET", f"/files/{own}", headers)).status_code == 404


@pytest.mark.parametrize("path", ["", "/content", "/cost-estimate"])
async def test_ids_of_no_file(files: Files, path: str) -> None:
    person = await files.person()
    theirs = await files.house.file(await files.person())
    for text in (UNKNOWN, f"file-{UNKNOWN}", str(theirs)):
        answer = await files.call("GET", f"/files/{text}{path}", person)
        assert (answer.status_code, "not found" in message(answer)) == (404, True)
    answer = await files.call("GET", f"/files/nonsense{path}", person)
    assert (answer.status_code, message(answer)) == (400, "file_id: expected a UUID, got 'nonsense'")


async def test_a_deleted_file_is_gone_at_once_and_its_lines_in_steps(files: Files) -> None:
    person = await files.person()
    content = jsonl(line(n) for n in range(12_000))
    file_id = await files.upload(person, content)
    kept = await files.upload(person, jsonl([line(1)]))
    answer = await files.call("DELETE", f"/files/file-{file_id}", person)
    assert (answer.status_code, answer.json()) == (
        200,
        {"id": str(file_id), "object": "file", "deleted": True},
    )
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        assert (await files.call(method, f"/files/{file_id}{path}", person)).status_code == 404
    assert await ids(files, person) == [kept]
    assert (await files.left())["lines"] == 12_001
    steps = 1
    while await files.keeping.step():
        steps += 1
    assert steps == 5
    assert await files.left() == {"files": 1, "lines": 1, "pieces": 0}


async def test_deletion_cancels_what_runs_and_lets_go_of_what_has_ended(files: Files) -> None:
    person = await files.person()
    running = await add_batch(files.database, 3, owner=person.id)
    ended = await add_batch(files.database, 3, owner=person.id)
    file_id = await files.database.fetch_value("select file_id from batches where id = $1", running)
    await files.database.execute(
        "update batches set file_id = $2, completed_at = now() where id = $1", ended, file_id
    )
    await files.database.execute("update lanes set closed = false")
    assert (await files.call("DELETE", f"/files/{file_id}", person)).status_code == 200
    rows = await files.database.fetch("select id, file_id, cancelling_at is not null from batches")
    assert {tuple(row) for row in rows} == {(running, None, True), (ended, None, False)}
    lanes = await files.database.fetch("select batch_id, closed from lanes")
    assert {tuple(row) for row in lanes} == {(running, True), (ended, False)}


async def test_deletion_cancels_as_anybody_does(files: Files) -> None:
    """What is being cancelled already goes on as it was, and the steps end what deletion has cancelled."""
    person, queue = await files.person(), QueueStore(files.database)
    made = [await add_batch(files.database, 3, owner=person.id) for _ in range(2)]
    earlier, running = made
    file_id = await files.database.fetch_value("select file_id from batches where id = $1", running)
    await files.database.execute("update batches set file_id = $1", file_id)
    for batch_id in made:
        assert not await queue.populate(batch_id, 10)
    assert await queue.cancel(earlier)
    since = await files.database.fetch_value("select cancelling_at from batches where id = $1", earlier)
    assert (await files.call("DELETE", f"/files/{file_id}", person)).status_code == 200
    assert await queue.lanes() == []
    assert not await queue.cancel(running)
    for batch_id in made:
        assert await queue.cancel_step(batch_id, 10) == 3
    rows = await files.database.fetch(
        "select id, cancelling_at = $1 as first, canceled, cancelled_at is not null as over from batches",
        since,
    )
    assert {tuple(row) for row in rows} == {(earlier, True, 3, True), (running, False, 3, True)}


async def test_an_expired_file_is_not_seen_and_stays_for_its_batch(files: Files) -> None:
    person = await files.person()
    batch_id = await add_batch(files.database, 3, owner=person.id)
    used = await files.database.fetch_value("select file_id from batches")
    unused = await files.upload(person, jsonl([line(1)]))
    await files.database.execute("update files set expires_at = now()")
    for file_id in (used, unused):
        for method in ("GET", "DELETE"):
            assert (await files.call(method, f"/files/{file_id}", person)).status_code == 404
    assert await ids(files, person) == []
    while await files.keeping.step():
        pass
    assert await files.left() == {"files": 1, "lines": 3, "pieces": 0}
    await files.database.execute("update batches set cancelled_at = now() where id = $1", batch_id)
    while await files.keeping.step():
        pass
    assert await files.left() == {"files": 0, "lines": 0, "pieces": 0}
    assert await files.database.fetch_value("select file_id from batches") is None


async def test_a_batch_that_is_made_while_its_file_is_deleted(files: Files) -> None:
    """Whoever makes a batch holds the file's row: deletion waits, and then finds the batch."""
    person = await files.person()
    file_id = await files.upload(person, jsonl([line(1)]))
    async with files.database.transaction() as connection:
        await connection.execute("select from files where id = $1 for share", file_id)
        deletion = start_task(files.call("DELETE", f"/files/{file_id}", person), name="delete")
        async with asyncio.timeout(20):
            while not await connection.fetchval("select count(*) from pg_locks where not granted"):
                pass
        batch_id = await add_batch(files.database, 1, owner=person.id)
        await files.database.execute("update batches set file_id = $1", file_id)
    assert (await deletion).status_code == 200
    row = await files.database.fetch_row("select file_id, cancelling_at from batches where id = $1", batch_id)
    assert row is not None
    assert (row["file_id"], row["cancelling_at"] is None) == (None, False)


async def test_an_estimate(files: Files) -> None:
    person = await files.person()
    files.has("embed", kind="EMBEDDINGS")
    tariff = Tariff(
        id="t",
        input=Decimal("0.5"),
        output=Decimal(2),
        cached_input=Decimal(1),
        cache_write=Decimal(1),
        reasoning=Decimal(2),
    )
    cheap = msgspec.structs.replace(tariff, input=Decimal("0.25"), output=Decimal(1))
    chat = msgspec.structs.replace(
        files.routing.snapshot.models["chat"], tariffs=Tariffs(batch=tariff, windows={"24h": cheap})
    )
    files.routing.snapshot = msgspec.structs.replace(
        files.routing.snapshot, models={**files.routing.snapshot.models, "chat": chat}
    )
    asked = [line(n, body={"model": "chat", "input": "x" * (100 - 27)}) for n in range(4)]
    embed = line(9, url="/v1/embeddings", body={"model": "embed", "input": "abcd"})
    file_id = await files.upload(person, jsonl([*asked, embed]))
    path = f"/files/{file_id}/cost-estimate"
    told = (await files.call("GET", path, person)).json()
    size = len(jsonl([asked[0]["body"]])) - 1
    assert size == 100
    first, second = told["models"]
    assert first == {
        "model": "chat", "request_count": 4, "estimated_input_tokens": 100, "estimated_output_tokens": 110,
        "estimated_cost": "135",
    }  # fmt: skip
    assert (second["model"], second["estimated_output_tokens"], second["estimated_cost"]) == ("embed", 1, "0")
    assert (told["total_requests"], told["total_estimated_cost"], told["file_id"]) == (5, "135", str(file_id))
    assert told["total_estimated_output_tokens"] == 111
    key_id, _ = await files.house.key(person)
    for tokens in (10, 20):
        await files.house.request(
            person, key_id, model="chat", completion_tokens=tokens, state=4, completed_at=1.0
        )
    told = (await files.call("GET", path, person, params={"completion_window": "1h"})).json()
    assert told["models"][0]["estimated_output_tokens"] == 60
    assert told["total_estimated_cost"] == "170"
    plain = await files.upload(person, b"text", "user_data")
    assert (await files.call("GET", f"/files/{plain}/cost-estimate", person)).status_code == 400
