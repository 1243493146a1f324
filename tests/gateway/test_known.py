"""Calls that are like the last one of their connection: whatever changes meanwhile holds for the next one."""

import time
from collections.abc import AsyncIterator
from weakref import ref

import msgspec
import pytest

from dwctl.routing.limits import Limits
from dwctl.routing.snapshot import Model
from tests.fakes.model import ModelServer
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, SECRET, House, bearer, chat, encoded, key, model, pool, snapshot, target
from tests.gateway.two import Two
from tests.gateway.wire import Answer, Wire

OTHER = "sk-test-another-0123456789"


async def ask(wire: Wire, alias: str = "m", secret: str = SECRET, **more: str) -> Answer:
    """One call on a connection that is kept."""
    wire.send(CHAT, encoded(chat(alias, **more)), bearer(secret))
    return await wire.answer()


async def settle(wire: Wire, alias: str = "m", secret: str = SECRET) -> None:
    """As many calls as it takes until everything about them is known."""
    for _ in range(4):
        assert (await ask(wire, alias, secret)).status == 200


@pytest.fixture
async def house(upstream: FakeUpstream) -> AsyncIterator[House]:
    """A house with two models and two keys."""
    upstream.respond = ModelServer(models=("fake-model", "other-model"))
    keys = {SECRET: key(), OTHER: key()}
    models = (model("m", target(upstream.url)), model("n", target(upstream.url, model_name="other-model")))
    async with House(*models, keys=keys) as running:
        yield running


def changed(house: House, *models: Model, secrets: tuple[str, ...] = (SECRET, OTHER)) -> None:
    """The routing state has other models and fewer keys from now on."""
    before = {SECRET: key(), OTHER: key()}
    house.routing.snapshot = snapshot({secret: before[secret] for secret in secrets}, *models)


async def test_a_known_call_is_recorded_and_sent_as_the_first_one_was(
    house: House, upstream: FakeUpstream
) -> None:
    async with house.wire() as wire:
        for number in range(5):
            answer = await ask(wire, user="u" * number)
            assert answer.status == 200
            record = house.ledger.finished[number][0]
            assert answer.json()["id"] == f"resp_{record.id}"
            assert record.request_size == len(encoded(chat(user="u" * number)))

    heads = [[line for line in seen.headers if line[0] != "content-length"] for seen in upstream.posts]
    assert heads[1:] == heads[:-1]
    assert [seen.json() for seen in upstream.posts] == [chat("fake-model", user="u" * n) for n in range(5)]
    first, *others = [msgspec.structs.asdict(record) for record, _ in house.ledger.started]
    varying = {"id", "created_at", "request_size"}
    for other in others:
        assert {name for name in other if other[name] != first[name]} <= varying
    assert {record.key_id for record, _ in house.ledger.finished} == set(house.gateway.used)


async def test_a_model_that_leads_elsewhere_does_so_at_the_next_call(two: Two) -> None:
    async with House(model("m", two.one)) as house, house.wire() as wire:
        await settle(wire)
        house.routing.snapshot = snapshot({SECRET: key()}, model("m", two.two))
        assert (await ask(wire)).status == 200
        await settle(wire)

    assert len(two.first.posts) == 4
    assert [seen.json()["model"] for seen in two.second.posts] == ["name-two"] * 5


async def test_a_key_that_was_revoked_is_refused_at_the_next_call(
    house: House, upstream: FakeUpstream
) -> None:
    async with house.wire() as wire:
        await settle(wire)
        changed(house, model("m", target(upstream.url)), secrets=(OTHER,))
        assert (await ask(wire)).status == 401
    assert len(upstream.posts) == 4


async def test_a_key_that_ends_meanwhile_is_refused(upstream: FakeUpstream) -> None:
    ends = time.time() + 3600
    async with (
        House(model("m", target(upstream.url)), keys={SECRET: key(expires_at=ends)}) as house,
        house.wire() as wire,
    ):
        await settle(wire)
        house.gateway.now = lambda: ends
        answer = await ask(wire)
    assert answer.status == 401
    assert "expired" in answer.json()["error"]["message"]


async def test_access_that_was_taken_away_is_gone_at_the_next_call(
    house: House, upstream: FakeUpstream
) -> None:
    async with house.wire() as wire:
        await settle(wire)
        changed(house, model("m", target(upstream.url), groups=("staff",)))
        assert (await ask(wire)).status == 403


async def test_a_model_that_became_a_pool_falls_back(two: Two) -> None:
    async with House(model("m", two.one)) as house, house.wire() as wire:
        await settle(wire)
        nobody = target("http://127.0.0.1:9/v1/")
        house.routing.snapshot = snapshot({SECRET: key()}, pool("m", nobody, two.two))
        assert (await ask(wire)).status == 200
        await settle(wire)
    assert len(two.second.posts) == 5


async def test_limits_are_asked_at_every_call(upstream: FakeUpstream) -> None:
    limits = msgspec.convert({"id": "key:a", "requests_per_second": 0.01, "burst_size": 5}, Limits)
    keys = {SECRET: msgspec.structs.replace(key(), limits=limits)}
    async with House(model("m", target(upstream.url)), keys=keys) as house, house.wire() as wire:
        answers = [await ask(wire) for _ in range(6)]

    assert [answer.status for answer in answers] == [200] * 5 + [429]
    left = [answer.header("x-ratelimit-remaining-requests") for answer in answers[:5]]
    assert left == ["4", "3", "2", "1", "0"]
    assert len(upstream.posts) == 5


async def test_concurrent_calls_of_an_endpoint_are_given_back(upstream: FakeUpstream) -> None:
    limits = msgspec.convert({"id": "provider:p", "max_concurrent": 1}, Limits)
    one = msgspec.structs.replace(target(upstream.url), provider_limits=limits)
    async with House(model("m", one)) as house, house.wire() as wire:
        await settle(wire)
        await settle(wire)
        await house.until(lambda: house.gateway.in_flight == 0, "every call is over")


async def test_models_in_turn_are_told_apart(house: House, upstream: FakeUpstream) -> None:
    async with house.wire() as wire:
        for alias in ("m", "m", "m", "n", "m", "n", "n", "n", "m"):
            assert (await ask(wire, alias)).status == 200
    names = {"m": "fake-model", "n": "other-model"}
    assert [seen.json()["model"] for seen in upstream.posts] == [names[alias] for alias in "mmmnmnnnm"]
    assert [record.model for record, _ in house.ledger.started] == list("mmmnmnnnm")


async def test_keys_in_turn_are_told_apart(house: House) -> None:
    async with house.wire() as wire:
        await settle(wire)
        await settle(wire, secret=OTHER)
        assert (await ask(wire, secret="sk-test-wrong-0123456789")).status == 401
        await settle(wire)
    owners = [record.owner_id for record, _ in house.ledger.started]
    assert owners[:4] == owners[8:]
    assert owners[0] != owners[4]


async def test_a_body_that_cannot_be_read_is_refused_and_the_connection_goes_on(house: House) -> None:
    async with house.wire() as wire:
        await settle(wire)
        for body, status in ((b"{", 400), (b'{"model":"m","model":"m"}', 400), (b'{"x":1}', 400)):
            wire.send(CHAT, body, bearer())
            assert (await wire.answer()).status == status
        assert (await ask(wire, "nobody")).status == 404
        await settle(wire)


async def test_streams_of_a_known_call_ask_for_usage_and_hide_it(
    house: House, upstream: FakeUpstream
) -> None:
    async with house.wire() as wire:
        await settle(wire)
        for _ in range(2):
            wire.send(CHAT, encoded(chat(stream=True)), bearer())
            answer = await wire.answer()
            assert answer.status == 200
            assert b'"prompt_tokens"' not in answer.body
        await settle(wire)
    assert upstream.posts[4].json()["stream_options"] == {"include_usage": True}
    record = house.ledger.finished[4][0]
    assert record.stream
    assert record.total_tokens


async def test_a_state_that_was_replaced_is_let_go_by_connections_that_are_idle(
    house: House, upstream: FakeUpstream
) -> None:
    async with house.wire() as wire:
        await settle(wire)
        kept = ref(house.routing.snapshot)
        changed(house, model("m", target(upstream.url)))
        assert kept() is None
        await settle(wire)


async def test_each_key_of_a_connection_may_do_its_own(upstream: FakeUpstream) -> None:
    """As behind a proxy, whose connections carry the calls of many clients: their heads differ in the key alone."""
    few = msgspec.convert({"id": "key:few", "requests_per_second": 0.01, "burst_size": 3}, Limits)
    staff, other, limited, wrong, late = (SECRET[:-1] + end for end in "sofwl")
    ends = time.time() + 3600
    keys = {
        staff: key(groups=("staff",)),
        other: key(),
        limited: msgspec.structs.replace(key(), limits=few),
        late: key(expires_at=ends),
    }
    models = (model("m", target(upstream.url)), model("n", target(upstream.url), groups=("staff",)))
    turns = [
        *[(staff, "m", 200)] * 3, *[(staff, "n", 200)] * 2, (other, "n", 403), *[(other, "m", 200)] * 3,
        (wrong, "m", 401), (limited, "m", 200), (other, "m", 200), *[(limited, "m", 200)] * 2, (limited, "m", 429),
        (late, "m", 200), (staff, "n", 200), (staff, "x", 404), (late, "n", 403), (late, "m", 200), (other, "m", 200),
    ]  # fmt: skip
    async with House(*models, keys=keys) as house, house.wire() as wire:
        for number, (secret, alias, status) in enumerate(turns):
            assert (await ask(wire, alias, secret)).status == status, number
        house.gateway.now = lambda: ends
        assert (await ask(wire, "m", late)).status == 401
        assert (await ask(wire, "m", other)).status == 200
    told = [(record.key_id, record.model) for record, _ in house.ledger.finished]
    assert told == [
        (keys[secret].id, alias) for secret, alias, status in [*turns, (other, "m", 200)] if status == 200
    ]
    assert set(house.gateway.used) == {known.id for known in keys.values()}


async def test_the_use_of_a_key_is_noted_to_a_second(house: House) -> None:
    now = 1_800_000_000.0
    house.gateway.now = lambda: now
    async with house.wire() as wire:
        await settle(wire)
        (noted,) = house.gateway.used
        assert house.gateway.used == {noted: now}
        now += 1.5
        await settle(wire)
        assert house.gateway.used == {noted: now}
        # Whoever writes it down has taken it: the next call within a second need not be noted again.
        house.gateway.used.clear()
        now += 0.5
        await settle(wire)
        now += 0.5
        await settle(wire)
        assert house.gateway.used == {noted: now}


async def test_a_key_beside_another_authorization_is_found_whatever_that_is(house: House) -> None:
    async with house.wire() as wire:
        for other in ("Basic aaaa", "Basic bbbb", "Bearer " + "x" * 3, "Basic aaaa"):
            wire.send(CHAT, encoded(chat("m")), {"authorization": other, "x-api-key": SECRET})
            assert (await wire.answer()).status == (401 if other.startswith("Bearer") else 200), other
