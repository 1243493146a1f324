"""Wrong keys are answered from memory: no database, no log line, nothing kept, however many come."""

import logging
import tracemalloc

import pytest

from dwctl.core.samples import page
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, SECRET, House, bearer, chat, encoded, key, model, target

FLOOD = 2000


async def test_a_flood_of_wrong_keys_leaves_nothing_behind(
    upstream: FakeUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:

        async def flood(start: int) -> None:
            for number in range(start, start + FLOOD):
                wire.send(CHAT, encoded(chat()), bearer(f"sk-wrong-{number}"))
                answer = await wire.answer()
                assert answer.status == 401

        # What is allocated once is there after the first round.
        await flood(0)
        caplog.clear()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        await flood(FLOOD)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (await house.call(chat())).status == 200
        assert len(house.ledger.started) == 1
        shown = page([house.metrics.part()]).decode()

    assert after - before < 50 * FLOOD
    assert not [record for record in caplog.records if record.name.startswith("dwctl")]
    assert f'dwctl_gateway_refused_total{{status="401"}} {2 * FLOOD}.0' in shown
    assert "sk-wrong" not in shown


@pytest.mark.parametrize(
    ("headers", "status", "code", "text"),
    [
        ({}, 401, "invalid_api_key", "No API key was sent; send it as 'Authorization: Bearer sk-...'."),
        ({"authorization": "Basic abc"}, 401, "invalid_api_key", None),
        ({"authorization": "Bearer "}, 401, "invalid_api_key", None),
        (bearer("sk-unknown"), 401, "invalid_api_key", "The API key is not valid."),
        (bearer("sk-expired"), 401, "invalid_api_key", "The API key has expired."),
        (bearer("sk-platform"), 403, "forbidden", None),
        ({"authorization": f"bearer {SECRET}"}, 200, None, None),
        ({"x-api-key": SECRET}, 200, None, None),
    ],
)
async def test_who_may_call(
    upstream: FakeUpstream, headers: dict[str, str], status: int, code: str | None, text: str | None
) -> None:
    keys = {SECRET: key(), "sk-expired": key(expires_at=1.0), "sk-platform": key("platform")}
    async with House(model("m", target(upstream.url)), keys=keys) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat()), headers)
        answer = await wire.answer()

    assert answer.status == status
    if code is not None:
        error = answer.json()["error"]
        assert error["code"] == code
        assert text is None or error["message"] == text
        assert answer.header("www-authenticate") == ("Bearer" if status == 401 else None)
        assert answer.header("x-request-id")
    assert len(upstream.posts) == (status == 200)


async def test_an_unknown_key_learns_nothing_of_models(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house:
        answers = [
            await house.call(body, headers=bearer("sk-unknown"))
            for body in (chat(), chat("nothing"), b"not json", b"{}")
        ]

    assert {answer.status for answer in answers} == {401}
