"""A call whose context is asked for: when it is asked, what goes upstream, what stays on the row, and who gives up."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from dwctl.routing.limits import Limits
from dwctl.wire.errors import Problem
from dwctl.wire.stateful import ContextCall, Expanded
from tests.fakes.answers import HANG, server_error
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, SECRET, House, bearer, encoded, model, pool, target
from tests.gateway.till import PRICE, Till, tariffs

RESPONSES = "/ai/v1/responses"
PREVIOUS = "previous_response_id"
ASKED = {"model": "m", "input": "two", PREVIOUS: "resp_before"}
WHOLE = {"model": "m", "input": [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]}
UNKNOWN = Problem(status=400, message="No such response.", param=PREVIOUS, code="previous_response_not_found")


class Memory:
    """Implements `Contexts`: what is asked is answered when the test says so, or at once."""

    def __init__(self, outcome: Problem | None = None, *, at_once: bool = True) -> None:
        self.asked: list[ContextCall] = []
        self.forgotten: list[Expanded] = []
        self.left = 0
        self._outcome = outcome
        self._at_once = at_once
        self._told: list[Callable[[], None]] = []

    def expand(self, call: ContextCall, told: Callable[[Expanded | Problem], None]) -> Callable[[], None]:
        """Note it."""
        self.asked.append(call)
        expanded = Expanded(
            body=encoded(WHOLE),
            ident=call.ident,
            echoed={PREVIOUS: b'"resp_before"'},
            conversation="01890000-0000-7000-8000-000000000001",
        )
        outcome: Expanded | Problem = expanded if self._outcome is None else self._outcome
        wanted = True

        def answer() -> None:
            if wanted:
                told(outcome)

        def leave() -> None:
            nonlocal wanted
            wanted = False
            self.left += 1

        if self._at_once:
            asyncio.get_running_loop().call_soon(answer)
        else:
            self._told.append(answer)
        return leave

    def forget(self, expanded: Expanded) -> None:
        """Note it."""
        self.forgotten.append(expanded)

    def answer(self) -> None:
        """Tell everybody who has asked."""
        told, self._told = self._told, []
        for answer in told:
            answer()


def housed(house: House, memory: Memory) -> House:
    """The house with somebody to ask."""
    house.gateway.contexts = memory
    return house


async def test_the_expanded_call_goes_upstream_and_the_clients_stays_on_the_row(
    upstream: FakeUpstream,
) -> None:
    memory = Memory()
    async with housed(House(model("m", target(upstream.url))), memory) as house:
        answer = await house.call(ASKED, RESPONSES)
        record = await house.recorded()
    assert (answer.status, answer.json()[PREVIOUS]) == (200, "resp_before")
    assert upstream.posts[0].json() == {**WHOLE, "model": "fake-model"}
    (call,) = memory.asked
    assert (call.body, call.queued, call.ident) == (encoded(ASKED), False, record.id)
    assert answer.json()["id"] == f"resp_{record.id}"
    ((_, noted),) = house.ledger.started
    assert noted == encoded(ASKED)
    assert record.request_size == len(noted)
    assert memory.forgotten == []


@pytest.mark.parametrize(
    ("body", "path", "secret", "status"),
    [
        (ASKED, RESPONSES, "sk-wrong", 401),
        ({**ASKED, "model": "unknown"}, RESPONSES, SECRET, 404),
        ({**ASKED, "messages": [{"role": "user", "content": "x"}]}, CHAT, SECRET, 200),
        ({"model": "m", "input": "x"}, RESPONSES, SECRET, 200),
        ({"model": "m", "input": "x", PREVIOUS: None, "conversation": None}, RESPONSES, SECRET, 200),
    ],
)
async def test_who_is_not_asked_for(
    upstream: FakeUpstream, body: dict[str, Any], path: str, secret: str, status: int
) -> None:
    memory = Memory()
    async with housed(House(model("m", target(upstream.url))), memory) as house:
        assert (await house.call(body, path, bearer(secret))).status == status
    assert memory.asked == []


async def test_a_problem_is_the_answer(upstream: FakeUpstream) -> None:
    memory = Memory(UNKNOWN)
    async with housed(House(model("m", target(upstream.url))), memory) as house:
        answer = await house.call(ASKED, RESPONSES)
    assert (answer.status, answer.json()["error"]["code"]) == (400, "previous_response_not_found")
    assert upstream.posts == []
    assert house.ledger.started == []


async def test_limits_are_taken_when_it_goes_on(upstream: FakeUpstream) -> None:
    memory = Memory(at_once=False)
    limited = msgspec.structs.replace(
        model("m", target(upstream.url)), limits=Limits(id="model:m", max_concurrent=1)
    )
    async with housed(House(limited), memory) as house, house.wire() as wire:
        wire.send(RESPONSES, encoded(ASKED), bearer())
        await house.until(lambda: len(memory.asked) == 1, "it waits")
        assert (await house.call({"model": "m", "input": "x"}, RESPONSES)).status == 200
        memory.answer()
        assert (await wire.answer()).status == 200
    assert memory.forgotten == []


async def test_one_that_is_refused_afterwards_gives_its_place_back(upstream: FakeUpstream) -> None:
    memory = Memory()
    limited = msgspec.structs.replace(
        model("m", target(upstream.url)), limits=Limits(id="model:m", requests_per_minute=1)
    )
    async with housed(House(limited), memory) as house:
        assert (await house.call(ASKED, RESPONSES)).status == 200
        assert (await house.call(ASKED, RESPONSES)).status == 429
    assert [each.ident for each in memory.forgotten] == [memory.asked[1].ident]


async def test_a_client_that_leaves_is_not_called_for(upstream: FakeUpstream) -> None:
    memory = Memory(at_once=False)
    async with housed(House(model("m", target(upstream.url))), memory) as house:
        async with house.wire() as wire:
            wire.send(RESPONSES, encoded(ASKED), bearer())
            await house.until(lambda: len(memory.asked) == 1, "it waits")
        await house.until(lambda: memory.left == 1, "it is known that the client has left")
        memory.answer()
        assert (await house.call({"model": "m", "input": "x"}, RESPONSES)).status == 200
    assert len(upstream.posts) == 1


async def test_a_key_that_ends_meanwhile_is_refused(upstream: FakeUpstream) -> None:
    memory = Memory(at_once=False)
    async with housed(House(model("m", target(upstream.url))), memory) as house, house.wire() as wire:
        wire.send(RESPONSES, encoded(ASKED), bearer())
        await house.until(lambda: len(memory.asked) == 1, "it waits")
        house.routing.snapshot = msgspec.structs.replace(house.routing.snapshot, version=2, keys={})
        memory.answer()
        assert (await wire.answer()).status == 401
    assert len(memory.forgotten) == 1
    assert upstream.posts == []


async def test_all_of_it_is_reserved_for(upstream: FakeUpstream) -> None:
    priced = msgspec.structs.replace(model("m", target(upstream.url)), tariffs=tariffs())
    till = Till("10")
    upstream.push(HANG)
    async with housed(House(priced, funds=till.funds), Memory()) as house, house.wire() as wire:
        wire.send(RESPONSES, encoded({**ASKED, "max_output_tokens": 7}), bearer())
        await house.until(lambda: len(upstream.posts) == 1, "the call is under way")
        assert till.reserved == PRICE * (len(encoded(WHOLE)) + 7)


@pytest.mark.parametrize("leaves", [False, True])
async def test_one_that_gets_no_credit_gives_its_place_back(upstream: FakeUpstream, leaves: bool) -> None:
    priced = msgspec.structs.replace(model("m", target(upstream.url)), tariffs=tariffs())
    memory, till = Memory(), Till("0", wait=30)
    till.away = leaves
    async with housed(House(priced, funds=till.funds), memory) as house:
        async with house.wire() as wire:
            wire.send(RESPONSES, encoded(ASKED), bearer())
            if leaves:
                await house.until(lambda: till.book.waiting == 1, "it waits for credit")
            else:
                assert (await wire.answer()).status == 402
        await house.until(lambda: len(memory.forgotten) == 1, "its place is given back")
    assert len(memory.asked) == 1
    assert upstream.posts == []


async def test_one_that_waits_for_credit_is_asked_for_once(upstream: FakeUpstream) -> None:
    priced = msgspec.structs.replace(model("m", target(upstream.url)), tariffs=tariffs())
    memory, till = Memory(), Till("10", wait=30)
    till.away = True
    async with housed(House(priced, funds=till.funds), memory) as house, house.wire() as wire:
        wire.send(RESPONSES, encoded(ASKED), bearer())
        await house.until(lambda: till.book.waiting == 1, "it waits for credit")
        till.away = False
        till.book.on_due()
        assert (await wire.answer()).status == 200
    assert len(memory.asked) == 1
    assert memory.forgotten == []
    assert upstream.posts[0].json()["input"] == WHOLE["input"]


async def test_another_target_gets_the_same(upstream: FakeUpstream) -> None:
    memory = Memory()
    upstream.push(server_error(503))
    both = pool("m", target(upstream.url), target(upstream.url))
    async with housed(House(both), memory) as house:
        answer = await house.call(ASKED, RESPONSES)
    assert (answer.status, answer.json()[PREVIOUS]) == (200, "resp_before")
    sent = [post.json() for post in upstream.posts]
    assert sent == [{**WHOLE, "model": "fake-model"}] * 2


async def test_a_connection_that_is_known_stays_known(upstream: FakeUpstream) -> None:
    memory = Memory()
    async with housed(House(model("m", target(upstream.url))), memory) as house, house.wire() as wire:
        for number in range(6):
            body = ASKED if number % 2 else {"model": "m", "input": "x"}
            wire.send(RESPONSES, encoded(body), bearer())
            answer = await wire.answer()
            assert answer.json().get(PREVIOUS) == ("resp_before" if number % 2 else None)
    assert len(memory.asked) == 3
    assert [isinstance(post.json()["input"], list) for post in upstream.posts] == [False, True] * 3
