"""Queued requests through the pipeline: what comes back, and what they leave."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
import pytest

from dwctl.core.ids import new_id, new_uuid
from dwctl.gateway.errands import NO_TIMEOUTS, Errands
from dwctl.requests.dispatch import Errand
from dwctl.requests.record import Record, State
from dwctl.routing.limits import Limits
from dwctl.routing.snapshot import Model, Timeouts
from dwctl.usage.prices import Tariff, Tariffs
from tests.fakes import shapes
from tests.fakes.answers import HANG, Answer, Hang, json_reply, reply, stream_reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import House, chat, encoded, key, model, pool, snapshot, target
from tests.gateway.till import Till, tariffs

SECRET = "sk-hidden"
DIGEST = sha256(SECRET.encode()).digest()
PATH = "/v1/chat/completions"
RUNNER = key("batch")


class Came(NamedTuple):
    """What an errand came to."""

    record: Record
    body: bytes
    pause: float

    def json(self) -> Any:
        """The body."""
        return msgspec.json.decode(self.body)


def house(*models: Model, **more: Any) -> House:
    """A gateway whose only key is the hidden one of a batch, unless others are given by their secrets."""
    return House(*models, keys={SECRET: RUNNER, **more.pop("keys", {})}, **more)


def errand(asked: str = "m", **more: Any) -> Errand:
    """A line of a batch."""
    values: dict[str, Any] = {
        "id": new_uuid(),
        "attempt": 1,
        "path": PATH,
        "body": encoded(chat(asked)),
        "run_key": DIGEST,
        "owner_id": new_uuid(),
        "creator_id": new_uuid(),
        "asked": asked,
        "key_id": new_uuid(),
        "window": "24h",
        "origin": "batch",
        "service_tier": "default",
    }
    return Errand(**values | more)


class Runner:
    """Runs errands and waits for them."""

    def __init__(
        self, house: House, streamable: tuple[str, ...] = (), timeouts: Timeouts = NO_TIMEOUTS
    ) -> None:
        self.came: list[Came] = []
        self._house = house
        self._errands = Errands(house.gateway, streamable=streamable, timeouts=timeouts)

    def begin(self, errand: Errand) -> Callable[[], None]:
        """Begin one; nothing of its end is told in this turn of the loop."""
        before = len(self.came)
        cancel = self._errands.run(errand, lambda *what: self.came.append(Came(*what)))
        assert len(self.came) == before
        return cancel

    async def end(self, count: int = 1) -> Came:
        """The last of so many."""
        await self._house.until(lambda: len(self.came) >= count, f"{count} errands have ended")
        assert len(self.came) == count
        return self.came[-1]

    async def run(self, errand: Errand) -> Came:
        """Begin one and wait for its end."""
        self.begin(errand)
        return await self.end(len(self.came) + 1)


def at_rest(house: House) -> bool:
    """Nothing is held for any call."""
    return house.gateway.in_flight == 0


async def test_an_errand_is_a_call_whose_record_comes_back(upstream: FakeUpstream) -> None:
    upstream.push(json_reply(shapes.chat_completion("real-name", "Hello.", prompt=9, completion=5)))
    async with house(model("m", target(upstream.url, "real-name", ("x-key", "secret")))) as running:
        asked = errand(
            headers=((b"x-fusillade-request-id", b"7"), (b"x-fusillade-batch-id", b"9")), attempt=3
        )
        came = await Runner(running).run(asked)
        assert at_rest(running)
        assert running.ledger.started == running.ledger.finished == []
    record = came.record
    assert (record.id, record.attempt, record.state, record.status_code) == (
        str(asked.id), 3, State.COMPLETED, 200
    )  # fmt: skip
    assert (record.key_id, record.owner_id, record.purpose) == (str(asked.key_id), RUNNER.owner_id, "batch")
    assert (record.background, record.origin, record.stream) == (True, "batch", False)
    assert record.total_tokens == 14
    assert came.json()["id"] == f"resp_{asked.id}"
    (request,) = upstream.posts
    assert request.json()["model"] == "real-name"
    assert request.header("x-key") == "secret"
    assert request.header("x-fusillade-request-id") == "7"
    assert request.header("x-fusillade-batch-id") == "9"


async def test_a_session_has_no_key_so_the_hidden_one_is_named(upstream: FakeUpstream) -> None:
    async with house(model("m", target(upstream.url))) as running:
        came = await Runner(running).run(errand(key_id=None))
    assert came.record.key_id == RUNNER.id


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        (errand(run_key=b"unknown"), 403, "forbidden"),
        (errand("closed"), 403, "forbidden"),
        (errand("nothing"), 404, "model_not_found"),
        (errand(body=b"no JSON"), 400, None),
        (errand(path="/v1/odd"), 400, "unsupported_endpoint"),
    ],
)
async def test_a_refusal_comes_back_with_a_record(
    upstream: FakeUpstream, asked: Errand, status: int, code: str | None
) -> None:
    closed = model("closed", target(upstream.url), groups=("someone",))
    async with house(model("m", target(upstream.url)), closed) as running:
        came = await Runner(running).run(asked)
    record = came.record
    assert (record.state, record.status_code, record.error_code) == (State.FAILED, status, code)
    assert (record.id, record.owner_id) == (str(asked.id), str(asked.owner_id))
    assert came.json()["error"]["message"] == record.error_message
    assert upstream.posts == []


async def test_the_window_chooses_the_tariff_and_credit_is_reserved(upstream: FakeUpstream) -> None:
    till = Till("1000")
    cheap = Tariff(
        id=new_id(), input=Decimal("0.5"), output=Decimal("0.5"), cached_input=Decimal("0.5"),
        cache_write=Decimal("0.5"), reasoning=Decimal("0.5"),
    )  # fmt: skip
    priced = msgspec.structs.replace(
        model("m", target(upstream.url)), tariffs=msgspec.structs.replace(tariffs(), windows={"24h": cheap})
    )
    upstream.push(HANG)
    async with house(priced, funds=till.funds) as running:
        runner = Runner(running)
        cancel = runner.begin(errand(body=encoded(chat(max_tokens=8))))
        await running.until(lambda: len(upstream.posts) == 1, "it is under way")
        assert till.reserved > 4
        cancel()
        canceled = await runner.end()
        assert till.reserved == 0
        upstream.push(json_reply(shapes.chat_completion("m", "x", prompt=9, completion=5)))
        came = await runner.run(errand())
        other = await runner.run(errand(window=None))
    assert (canceled.record.state, canceled.body) == (State.CANCELED, b"")
    assert canceled.record.cost
    assert came.record.tariff_id == cheap.id
    assert came.record.cost == 7
    assert isinstance(priced.tariffs, Tariffs)
    assert priced.tariffs.batch is not None
    assert other.record.tariff_id == priced.tariffs.batch.id


async def test_without_credit_it_fails_and_one_that_waits_can_be_canceled(upstream: FakeUpstream) -> None:
    priced = msgspec.structs.replace(model("m", target(upstream.url)), tariffs=tariffs())
    poor = Till("0")
    async with house(priced, funds=poor.funds) as running:
        came = await Runner(running).run(errand())
    assert (came.record.status_code, came.record.error_code) == (402, "insufficient_credits")
    away = Till("10")
    away.away = True
    async with house(priced, funds=away.funds) as running:
        runner = Runner(running)
        cancel = runner.begin(errand())
        cancel()
        cancel()
        came = await runner.end()
        away.away = False
        assert (await runner.run(errand())).record.state == State.COMPLETED
        assert away.reserved == 0
    assert came.record.state == State.CANCELED


async def test_a_stream_is_put_together(upstream: FakeUpstream) -> None:
    async with house(model("m", target(upstream.url))) as running:
        runner = Runner(running, streamable=(PATH,))
        plain = (await Runner(running).run(errand())).json()
        came = await runner.run(errand())
    assert upstream.posts[-1].json()["stream"] is True
    whole = came.json()
    assert whole["object"] == "chat.completion"
    assert whole["choices"][0]["message"]["content"] == plain["choices"][0]["message"]["content"]
    assert whole["usage"] == plain["usage"]
    assert came.record.total_tokens == plain["usage"]["total_tokens"]
    assert (came.record.stream, came.record.state) == (False, State.COMPLETED)


async def test_an_error_in_a_stream_is_a_failure_with_its_code(upstream: FakeUpstream) -> None:
    first = encoded(
        {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "a"}}]}
    )
    error = encoded({"error": {"message": "overloaded", "code": 529}})
    events = [b"data: " + data + b"\n\n" for data in (first, error)]
    upstream.push(stream_reply(events), json_reply({"error": {"message": "odd", "code": "strange"}}))
    async with house(model("m", target(upstream.url))) as running:
        runner = Runner(running, streamable=(PATH,))
        came = await runner.run(errand())
        whole = await runner.run(errand())
    assert (came.record.state, came.record.status_code) == (State.FAILED, 529)
    assert came.json()["error"]["message"] == "overloaded"
    assert (whole.record.state, whole.record.status_code) == (State.FAILED, 500)


async def test_a_server_says_when_to_come_back(upstream: FakeUpstream) -> None:
    upstream.push(json_reply({"error": {"message": "slow"}}, status=429, headers=(("Retry-After", "7"),)))
    async with house(model("m", target(upstream.url))) as running:
        came = await Runner(running).run(errand())
    assert (came.record.status_code, came.pause) == (429, 7)
    limited = msgspec.structs.replace(
        model("m", target(upstream.url)), limits=Limits.of("model:m", None, None, 1, None, None)
    )
    async with house(limited) as running:
        runner = Runner(running)
        await runner.run(errand())
        came = await runner.run(errand())
    assert came.record.status_code == 429
    assert came.pause > 0


async def test_an_answer_that_is_no_json_is_told_in_our_envelope(upstream: FakeUpstream) -> None:
    upstream.push(reply(b"<h1>busy</h1>", status=503), reply(b"<h1>hello</h1>"))
    async with house(model("m", target(upstream.url))) as running:
        runner = Runner(running)
        busy = await runner.run(errand())
        odd = await runner.run(errand())
    assert (busy.record.status_code, busy.json()["error"]["message"]) == (503, "<h1>busy</h1>")
    assert (odd.record.state, odd.record.status_code) == (State.FAILED, 502)


async def test_another_model_can_take_its_place(upstream: FakeUpstream) -> None:
    async with house(
        model("m", target(upstream.url, "slow")), pool("fast", target(upstream.url, "quick"))
    ) as running:
        came = await Runner(running).run(errand(model="fast"))
    assert (came.record.model, came.record.target_model) == ("m", "quick")
    assert upstream.posts[0].json()["model"] == "quick"


WHOLE = json_reply(shapes.chat_completion("m", "Hello."))
MIDDLE = Answer((*WHOLE.steps[:1], b"{", Hang()))
STALLS = [
    (Timeouts(first_byte=0.2), HANG, "did not begin to answer in time"),
    (Timeouts(idle=0.2), MIDDLE, "stopped in the middle of its answer"),
    (Timeouts(total=0.2), HANG, "did not finish in time"),
    (Timeouts(total=0.2), MIDDLE, "did not finish in time"),
]


@pytest.mark.parametrize(("ours", "stall", "text"), STALLS)
@pytest.mark.parametrize("own", [None, Timeouts(first_byte=60.0, idle=60.0, total=60.0)])
async def test_its_time_is_limited(
    upstream: FakeUpstream, ours: Timeouts, stall: Answer, text: str, own: Timeouts | None
) -> None:
    async with house(model("m", target(upstream.url, timeouts=own))) as running:
        runner = Runner(running, timeouts=ours)
        upstream.push(stall, WHOLE.in_pieces(300, gap=0.25))
        came = await runner.run(errand())
        assert at_rest(running)
        # Calls over the wire are not held to it.
        wire = await running.call(chat(), headers={"authorization": f"Bearer {SECRET}"})
    assert (came.record.status_code, came.record.error_code) == (504, "gateway_timeout")
    assert text in came.json()["error"]["message"]
    assert wire.status == 200


@pytest.mark.parametrize(("own", "stall", "text"), STALLS)
async def test_the_limits_of_its_endpoint_hold_where_they_are_stricter(
    upstream: FakeUpstream, own: Timeouts, stall: Answer, text: str
) -> None:
    async with house(model("m", target(upstream.url, timeouts=own))) as running:
        runner = Runner(running, timeouts=Timeouts(first_byte=60.0, idle=60.0, total=60.0))
        upstream.push(stall)
        came = await runner.run(errand())
    assert came.record.status_code == 504
    assert text in came.json()["error"]["message"]


async def test_each_target_of_a_pool_is_held_to_them(upstream: FakeUpstream) -> None:
    async with house(pool("m", target(upstream.url, "one"), target(upstream.url, "two"))) as running:
        runner = Runner(running, timeouts=Timeouts(first_byte=0.2))
        upstream.push(HANG, HANG)
        came = await runner.run(errand())
        assert at_rest(running)
    assert came.record.status_code == 504
    assert {request.json()["model"] for request in upstream.posts} == {"one", "two"}


async def test_a_snapshot_without_the_key_ends_its_errands(upstream: FakeUpstream) -> None:
    async with house(model("m", target(upstream.url))) as running:
        runner = Runner(running)
        assert (await runner.run(errand())).record.state == State.COMPLETED
        running.routing.snapshot = snapshot({}, model("m", target(upstream.url)), version=2)
        assert (await runner.run(errand())).record.status_code == 403


async def test_many_at_once(upstream: FakeUpstream) -> None:
    async with house(model("m", target(upstream.url))) as running:
        runner = Runner(running)
        for _ in range(200):
            runner.begin(errand())
        await runner.end(200)
        assert at_rest(running)
        await asyncio.sleep(0)
    assert {came.record.state for came in runner.came} == {State.COMPLETED}


ENDLESS: Answer = HANG


async def test_the_budget_of_the_key_that_is_charged_binds_it(upstream: FakeUpstream) -> None:
    till = Till("1000")
    priced = msgspec.structs.replace(model("m", target(upstream.url)), tariffs=tariffs())
    bound = till.bind(msgspec.structs.replace(RUNNER, id=new_id(), purpose="realtime"), "0")
    digest = sha256(b"sk-charged").digest()
    async with house(priced, funds=till.funds, keys={"sk-charged": bound}) as running:
        came = await Runner(running).run(errand(charge_key=digest))
        free = await Runner(running).run(errand(charge_key=None))
    assert (came.record.status_code, came.record.error_code) == (402, "budget_exceeded")
    assert free.record.state == State.COMPLETED
    assert till.reserved_anywhere == 0
