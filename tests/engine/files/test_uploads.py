"""Uploads through the route, with every way in which they end."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dwctl.core.ids import new_uuid
from dwctl.engine.files.pieces import PIECE
from dwctl.engine.files.settings import FileLimits, FileSettings
from tests.control.house import House
from tests.engine.files.house import BOUNDARY, CHAT, Files, decoded, form, jsonl, line, message, part
from tests.examples import examples

NOTHING = {"files": 0, "lines": 0, "pieces": 0}


async def test_a_file_of_requests(files: Files) -> None:
    person = await files.person()
    content = jsonl(line(n) for n in range(3))
    answer = await files.send(person, form(content))
    assert answer.status_code == 201
    shown = answer.json()
    assert {key: shown[key] for key in ("object", "bytes", "filename", "purpose", "status")} == {
        "object": "file", "bytes": len(content), "filename": "in.jsonl", "purpose": "batch", "status": "processed"
    }  # fmt: skip
    assert shown["created_by_email"] == person.email
    assert (shown["context_type"], shown["expires_at"] - shown["created_at"]) == ("personal", 86_400)
    rows = await files.database.fetch("select * from file_lines order by line")
    assert [(row["line"], row["custom_id"], row["model"], row["url"]) for row in rows] == [
        (n, f"line-{n}", "chat", CHAT) for n in range(3)
    ]
    file = await files.database.fetch_row("select * from files")
    assert file is not None
    assert (file["lines"], file["owner_id"], file["key_id"]) == (3, person.id, None)
    bodies = sum(len(row["body"]) for row in rows)
    assert file["models"] == {"chat": {"lines": 3, "bytes": bodies, "urls": {CHAT: 3}}}
    got = await files.call("GET", f"/files/file-{shown['id']}/content", person)
    assert got.content == content
    assert got.headers["content-type"] == "application/x-ndjson"


async def test_a_key_uploads_for_its_account(files: Files) -> None:
    person = await files.person()
    key_id, headers = await files.house.key(person)
    file_id = await files.upload(headers, jsonl([line(1)]))
    row = await files.database.fetch_row(
        "select owner_id, creator_id, key_id from files where id = $1", file_id
    )
    assert row is not None
    assert tuple(row) == (person.id, person.id, key_id)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("lines", [2, 4000])
async def test_fields_come_in_any_order(files: Files, last: bool, lines: int) -> None:
    person = await files.person()
    content = jsonl(line(n) for n in range(lines))
    wanted = {"anchor": "created_at", "seconds": "7200"}
    answer = await files.send(person, form(content, last=last, **wanted))
    assert answer.status_code == 201, answer.text
    shown = answer.json()
    assert shown["expires_at"] - shown["created_at"] == 7200
    assert await files.left() == {"files": 1, "lines": lines, "pieces": 0}
    got = await files.call("GET", f"/files/{shown['id']}/content", person)
    assert got.content == content


@pytest.mark.parametrize("purpose", ["user_data", "vision", "assistants", "evals"])
async def test_other_files_come_back_byte_for_byte(files: Files, purpose: str) -> None:
    person = await files.person()
    content = bytes(range(256)) * 5000
    file_id = await files.upload(person, content, purpose)
    assert (await files.left())["pieces"] == 3
    most = await files.database.fetch_value("select max(length(content)) from file_pieces")
    assert most <= PIECE
    got = await files.call("GET", f"/files/{file_id}/content", person)
    assert got.content == content
    assert got.headers["content-type"] == "application/octet-stream"
    assert int(got.headers["content-length"]) == len(content)
    shown = (await files.call("GET", f"/files/{file_id}", person)).json()
    assert (shown["purpose"], shown["bytes"], shown["expires_at"]) == (purpose, len(content), None)


def _without(name: str) -> dict[str, object]:
    return {key: value for key, value in line(2).items() if key != name}


BAD_LINES = {
    "invalid JSON": (b"{", "invalid JSON"),
    "an array": (b"[]", "expected a JSON object, got an array"),
    "no custom_id": (jsonl([_without("custom_id")]), "custom_id: expected a string, but it is not there"),
    "no method": (jsonl([_without("method")]), "method: expected a string, but it is not there"),
    "no url": (jsonl([_without("url")]), "url: expected a string, but it is not there"),
    "no body": (jsonl([_without("body")]), "body: expected an object, but it is not there"),
    "a number as custom_id": (jsonl([line(2, custom_id=5)]), "custom_id: expected a string, got a number"),
    "a long custom_id": (jsonl([line(2, custom_id="x" * 65)]), "custom_id: expected 1 to 64 bytes, got 65"),
    "an empty custom_id": (jsonl([line(2, custom_id="")]), "custom_id: expected 1 to 64 bytes, got 0"),
    "a custom_id of two lines": (jsonl([line(2, custom_id="a\nb")]), "custom_id: expected ASCII without control"),
    "another method": (jsonl([line(2, method="GET")]), "method: expected POST, got 'GET'"),
    "another url": (jsonl([line(2, url="/v1/audio/speech")]), "url: expected one of /v1/chat/completions"),
    "a text as body": (jsonl([line(2, body="x")]), "body: expected an object, got a string"),
    "no model": (jsonl([line(2, body={})]), "body.model: expected a string, but it is not there"),
    "an empty model": (jsonl([line(2, body={"model": ""})]), "body.model: expected the name of a model"),
    "a stream": (jsonl([line(2, body={"model": "chat", "stream": True})]), "body.stream: expected false or nothing"),
    "a stream of text": (
        jsonl([line(2, body={"model": "chat", "stream": "yes"})]),
        "body.stream: expected false or nothing, got a string",
    ),
    "two models": (
        b'{"custom_id":"x","method":"POST","url":"/v1/chat/completions","body":{"model":"a","model":"chat"}}',
        "body.model: stands there twice",
    ),
    "two urls": (
        b'{"custom_id":"x","method":"POST","url":"/v1/a","url":"/v1/chat/completions","body":{"model":"chat"}}',
        "url: stands there twice",
    ),
    "not UTF-8": (b'{"custom_id":"\xff"}', "invalid UTF-8 at byte 15 of the line"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_LINES)
async def test_a_bad_line_refuses_the_file_and_names_it(files: Files, what: str) -> None:
    person = await files.person()
    bad, expected = BAD_LINES[what]
    # Blank lines count: it is the line that an editor shows.
    answer = await files.send(person, form(jsonl([line(1)]) + b"\r\n" + bad + b"\n"))
    assert answer.status_code == 400
    assert message(answer).startswith(f"Line 3: {expected}")
    assert await files.left() == NOTHING


async def test_a_bad_line_deep_in_a_large_file(files: Files) -> None:
    person = await files.person()
    content = jsonl(line(n) for n in range(20_000)) + b"{}\n" + jsonl(line(n) for n in range(5000))
    answer = await files.send(person, form(content))
    assert answer.status_code == 400
    assert message(answer).startswith("Line 20001: custom_id")
    assert await files.left() == NOTHING


async def test_what_is_let_pass(files: Files) -> None:
    person = await files.person()
    body = b'{"model":"chat","priority":3,"temperature":1e400,"tools":[{"model":1,"model":2}]}'
    first = (
        b'\xef\xbb\xbf{"custom_id":"same","method":"POST","url":"/v1/chat/completions","body":%b}\r\n' % body
    )
    content = first + b"  \r\n\n" + jsonl([line(1, custom_id="same")]).rstrip()
    file_id = await files.upload(person, content)
    rows = await files.database.fetch("select custom_id, body from file_lines order by line")
    assert [row["custom_id"] for row in rows] == ["same", "same"]
    assert rows[0]["body"] == b'{"model":"chat","temperature":1e400,"tools":[{"model":1,"model":2}]}'
    shown = (await files.call("GET", f"/files/{file_id}", person)).json()
    assert shown["bytes"] == len(content)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
async def test_a_file_without_requests(files: Files, content: bytes) -> None:
    answer = await files.send(await files.person(), form(content))
    assert (answer.status_code, "has no requests" in message(answer)) == (400, True)
    assert await files.left() == NOTHING


async def test_custom_ids_can_be_kept_unique(house: House) -> None:
    files = Files(house, settings=FileSettings(unique_custom_ids=True))
    person = await files.person()
    twice = [line(1), line(2), line(3, custom_id="line-1")]
    answer = await files.send(person, form(jsonl(twice)))
    assert message(answer) == "Line 3: custom_id: 'line-1' is that of line 1 already"
    await files.upload(person, jsonl(line(n) for n in range(5)))


async def test_models_out_of_reach(files: Files) -> None:
    person = await files.person()
    group = new_uuid()
    files.has("theirs", groups=[str(group)])
    for model in ("theirs", "unknown"):
        content = jsonl([line(1), line(2, body={"model": model}), line(3, method="GET")])
        answer = await files.send(person, form(content))
        assert answer.status_code == 403
        assert (
            message(answer) == f"Line 2: model '{model}' has not been configured or is not available to user"
        )
    assert await files.left() == NOTHING
    await files.database.execute(
        "insert into groups (id, name, created_by) values ($1, 'g', $2)", group, person.id
    )
    await files.database.execute(
        "insert into user_groups (user_id, group_id) values ($1, $2)", person.id, group
    )
    await files.upload(person, jsonl([line(2, body={"model": "theirs"})]))
    key_id, headers = await files.house.key(person)
    await files.database.execute("update api_keys set allowed_models = '{chat}' where id = $1", key_id)
    answer = await files.send(headers, form(jsonl([line(2, body={"model": "theirs"})])))
    assert answer.status_code == 403
    await files.upload(headers, jsonl([line(2)]))


async def test_a_model_is_called_by_the_paths_of_its_type(files: Files) -> None:
    person = await files.person()
    files.has("embed", kind="EMBEDDINGS")
    for model, url in (("embed", CHAT), ("chat", "/v1/embeddings")):
        answer = await files.send(person, form(jsonl([line(1, url=url, body={"model": model})])))
        assert (answer.status_code, message(answer)[:21]) == (400, "Line 1: url: expected")
    await files.upload(person, jsonl([line(1, url="/v1/embeddings", body={"model": "embed", "input": "x"})]))


BAD_FORMS = {
    "no purpose": (form(b"x", None), "purpose: expected one of batch"),
    "another purpose": (form(b"x", "fine-tune"), "purpose: expected one of batch"),
    "another purpose at the end": (form(b"x", "fine-tune", last=True), "purpose: expected one of batch"),
    "an output": (form(b"x", "batch_output"), "purpose: expected one of batch"),
    "no file": (part("purpose", "batch") + f"--{BOUNDARY}--".encode(), "file: expected a file"),
    "two files": (part("file", b"x", "a") + form(b"x"), "file: stands in the form twice"),
    "another anchor": (form(b"x", "batch", anchor="now", seconds="7200"), "expires_after[anchor]: expected created_at"),
    "too short a life": (
        form(b"x", "batch", anchor="created_at", seconds="3599"),
        "expires_after[seconds]: expected a number from 3600 to 2592000, got '3599'",
    ),
    "too long a life": (form(b"x", "batch", seconds="2592001"), "expires_after[seconds]: expected a number"),
    "no number": (form(b"x", "batch", seconds="1e4"), "expires_after[seconds]: expected a number"),
    "no anchor": (form(b"x", "user_data", seconds="3600"), "expires_after[anchor]: expected beside"),
    "an end too soon": (form(jsonl([line(1)]))[:-20], "body: not multipart/form-data"),
    "no form": (b"nothing of the kind", "body: not multipart/form-data"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_FORMS)
async def test_a_form_that_is_refused(files: Files, what: str) -> None:
    body, expected = BAD_FORMS[what]
    answer = await files.send(await files.person(), body)
    assert answer.status_code == 400
    assert message(answer).startswith(expected)
    assert await files.left() == NOTHING


async def test_a_body_that_is_no_form(files: Files) -> None:
    answer = await files.call("POST", "/files", await files.person(), content=b"{}")
    assert (answer.status_code, message(answer)[:34]) == (400, "body: expected multipart/form-data")


@pytest.mark.parametrize("seconds", [3600, 2_592_000])
async def test_the_bounds_of_a_life(files: Files, seconds: int) -> None:
    body = form(b"x", "user_data", anchor="created_at", seconds=str(seconds))
    shown = (await files.send(await files.person(), body)).json()
    assert shown["expires_at"] - shown["created_at"] == seconds


async def test_the_limit_of_size(house: House) -> None:
    content = jsonl(line(n) for n in range(50))
    person = await house.person("BatchAPIUser")
    exact = Files(house, limits=FileLimits(max_file_size=len(content)))
    await exact.upload(person, content)
    files = Files(house, limits=FileLimits(max_file_size=len(content) - 1))

    async def chunked() -> AsyncIterator[bytes]:
        yield form(content)

    for body in (form(content), chunked()):
        answer = await files.send(person, body)
        assert (answer.status_code, message(answer)) == (
            413,
            f"The file is larger than {len(content) - 1} bytes.",
        )
    assert (await files.left())["files"] == 1


async def test_a_body_that_says_it_is_too_large_is_not_read(house: House) -> None:
    files = Files(house, limits=FileLimits(max_file_size=1000))
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield form(b"x" * 20_000, "user_data")

    kind = {"content-type": f"multipart/form-data; boundary={BOUNDARY}", "content-length": "20200"}
    answer = await files.call("POST", "/files", await files.person(), content=body(), headers=kind)
    assert (answer.status_code, read) == (413, 0)


@pytest.mark.parametrize("lines", [10, 3000])
async def test_the_limit_of_requests(house: House, lines: int) -> None:
    files = Files(house, limits=FileLimits(max_requests_per_file=lines))
    person = await files.person()
    await files.upload(person, jsonl(line(n) for n in range(lines)))
    answer = await files.send(person, form(jsonl(line(n) for n in range(lines + 1))))
    assert answer.status_code == 400
    assert message(answer) == f"Line {lines + 1}: expected at most {lines} requests in a file"
    assert (await files.left())["files"] == 1


@pytest.mark.parametrize("size", [1000, 400_000])
async def test_the_limit_of_a_body(house: House, size: int) -> None:
    around = len(jsonl([line(1, body={"model": "chat", "input": ""})])) - len(jsonl([line(1, body=0)])) + 1
    files = Files(house, max_body_bytes=size)
    person = await files.person()
    exact = line(1, body={"model": "chat", "input": "x" * (size - around)})
    await files.upload(person, jsonl([exact]))
    exact["body"]["input"] += "x"
    answer = await files.send(person, form(jsonl([line(0), exact])))
    assert message(answer) == f"Line 2: body: expected at most {size} bytes, got {size + 1}"
    endless = await files.send(person, form(jsonl([line(0)]) + b"x" * (size + 10_000)))
    assert message(endless).startswith(f"Line 2: body: expected at most {size} bytes")


async def test_lines_of_one_beginning_belong_together(files: Files) -> None:
    def asked(system: str, text: str) -> dict[str, object]:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        return line(0, body={"model": "chat", "messages": messages})

    content = jsonl([asked("a", "1"), asked("b", "2"), asked("a", "3"), line(4), asked("b", "5")])
    await files.upload(await files.person(), content)
    rows = await files.database.fetch("select prefix from file_lines order by line")
    assert [row["prefix"] for row in rows] == [0, 1, 0, 3, 1]


@settings(
    max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
async def test_wherever_the_form_is_cut(files: Files, data: st.DataObject) -> None:
    """Pieces of a body end anywhere: within the boundary, a head, a line, a character."""
    content = jsonl(line(n, body={"model": "chat", "input": "ä\r\n--a-bound" * n}) for n in range(8))
    body = form(content, last=data.draw(st.booleans()))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=30)))

    async def pieces() -> AsyncIterator[bytes]:
        for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
            yield body[start:end]

    person = await files.house.admin()
    answer = await files.send(person, pieces())
    assert answer.status_code == 201, answer.text
    got = await files.call("GET", f"/files/{answer.json()['id']}/content", person)
    assert decoded(got.content) == decoded(content)
    await files.database.execute("delete from files where id = $1", UUID(answer.json()["id"]))


async def test_whoever_reads_lines_first_writes_nothing(files: Files) -> None:
    """A first look at rows notes in their pages that they are there; the upload itself has done that."""
    person = await files.person()
    await files.upload(person, jsonl(line(n) for n in range(30_000)))
    # As after a while: what was written is on disk.
    await files.database.execute("checkpoint")
    (row,) = await files.database.fetch(
        "explain (analyze, buffers, format json) select sum(length(body)) from file_lines"
    )
    (found,) = row
    plan = found[0]["Plan"]
    read = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert plan["Plans"][0]["Node Type"] == "Seq Scan"
    assert read > 500
    # But of its last part.
    assert plan["Shared Dirtied Blocks"] < read / 2
