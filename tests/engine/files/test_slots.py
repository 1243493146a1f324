"""How many uploads at once, how many wait, and for how long; and uploads of which nothing more comes."""

import asyncio
from collections.abc import AsyncIterator

import httpx

from dwctl.core.services import start_task
from dwctl.core.settings import Duration
from dwctl.engine.files.settings import FileLimits
from tests.control.house import House
from tests.engine.files.house import Files, form, jsonl, line, message

BODY = form(jsonl([line(1)]))
NOTHING = {"files": 0, "lines": 0, "pieces": 0}


class Held:
    """An upload that goes on when it is told to."""

    def __init__(self, files: Files, who: dict[str, str]) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.task = start_task(files.send(who, self._body()), name="upload")

    async def _body(self) -> AsyncIterator[bytes]:
        yield BODY[:100]
        self.begun.set()
        await self.go_on.wait()
        yield BODY[100:]

    async def answer(self) -> httpx.Response:
        """Let it end."""
        self.go_on.set()
        return await self.task


async def until_waiting(files: Files, number: int) -> None:
    async with asyncio.timeout(20):
        while files.uploads.waiting != number:
            await asyncio.sleep(0)


async def test_uploads_wait_in_turn_and_more_are_refused(house: House) -> None:
    files = Files(house, limits=FileLimits(max_concurrent_uploads=1, max_waiting_uploads=1))
    who = (await files.person()).headers
    first = Held(files, who)
    await first.begun.wait()
    second = Held(files, who)
    await until_waiting(files, 1)
    refused = await files.send(who, BODY)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert message(refused) == "Too many uploads are under way; try again later."
    assert not second.begun.is_set()
    assert (await first.answer()).status_code == 201
    await second.begun.wait()
    assert files.uploads.waiting == 0
    assert (await second.answer()).status_code == 201
    assert (await files.send(who, BODY)).status_code == 201


async def test_a_wait_has_an_end(house: House) -> None:
    limits = FileLimits(max_concurrent_uploads=1, max_upload_wait_secs=Duration(0.05))
    files = Files(house, limits=limits)
    who = (await files.person()).headers
    first = Held(files, who)
    await first.begun.wait()
    late = await files.send(who, BODY)
    assert (late.status_code, late.headers["retry-after"]) == (429, "60")
    assert "none has ended in time" in message(late)
    assert (await first.answer()).status_code == 201
    assert (await files.send(who, BODY)).status_code == 201


async def test_without_a_limit_nobody_waits(files: Files) -> None:
    who = (await files.person()).headers
    held = [Held(files, who) for _ in range(10)]
    for each in held:
        await each.begun.wait()
    assert [(await each.answer()).status_code for each in held] == [201] * 10


async def test_a_refused_upload_gives_its_slot_back(house: House) -> None:
    files = Files(house, limits=FileLimits(max_concurrent_uploads=1, max_waiting_uploads=0))
    who = (await files.person()).headers
    for body in (b"no form", form(b"{}"), form(b"x", "nothing")):
        assert (await files.send(who, body)).status_code == 400
    assert (await files.send(who, BODY)).status_code == 201


async def test_an_upload_that_stalls_is_given_up(house: House) -> None:
    files = Files(house, limits=FileLimits(max_stall_secs=Duration(0.2)))
    who = (await files.person()).headers
    held = Held(files, who)
    answer = await held.task
    assert (answer.status_code, message(answer)) == (408, "Nothing of the upload has come for 0.2 s.")
    assert await files.left() == NOTHING


async def test_an_upload_that_comes_slowly_is_taken(house: House) -> None:
    files = Files(house, limits=FileLimits(max_stall_secs=Duration(5)))

    async def drops() -> AsyncIterator[bytes]:
        for at in range(0, len(BODY), 7):
            yield BODY[at : at + 7]

    assert (await files.send(await files.person(), drops())).status_code == 201
