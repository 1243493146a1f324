"""docs/errors.md, line by line: each situation is provoked on real sockets, and its answer compared with the page."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from litestar import Litestar

from dwctl.core.networks import Networks, parse_network
from dwctl.core.settings import Duration
from dwctl.gateway.settings import GatewaySettings
from dwctl.gateway.uploads.settings import UploadSettings
from dwctl.requests.record import Record
from dwctl.routing.limits import Limits
from dwctl.routing.rules import Rule
from dwctl.routing.snapshot import Allowed, Key
from dwctl.server.limits import ListenerSettings
from dwctl.web.errors import exception_handlers
from dwctl.wire.reasoning import EFFORTS, reasoning_of
from tests.docs.page import Page, code, rows
from tests.fakes.answers import CLOSED, HANG, json_reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, SECRET, House, bearer, chat, key, model, pool, target, upstream_settings
from tests.gateway.ledger import Ledger
from tests.gateway.till import Till, tariffs
from tests.gateway.wire import Answer

Provoke = Callable[[FakeUpstream], Awaitable[Answer]]
PAGE = Page.of("docs/errors.md")
TOLD = {
    row[0]: (int(row[1]), next(iter(code(row[2])), None), code(row[3])[0], next(iter(code(row[4])), None))
    for row in rows(PAGE.section("Before a call") + PAGE.section("During a call"))
    if row[1].isdigit()
}
ELSEWHERE = Allowed(models=None, networks=Networks([parse_network("10.9.0.0/16")]))
LIMITS = ("rate_limit", "concurrency_limit_exceeded")
FAILED = {"error": {"message": "a provider's words", "type": "x", "param": None, "code": "y"}}


class _Faulty(Ledger):
    """A recording that breaks."""

    def start(self, record: Record, body: bytes) -> None:
        raise RuntimeError("broken")


def calls(body: dict[str, Any] | bytes, **given: Any) -> Provoke:
    """A call of a model that is there."""
    headers = given.pop("headers", None)

    async def provoke(upstream: FakeUpstream) -> Answer:
        async with House(model("m", target(upstream.url)), **given) as house:
            return await house.call(body, headers=headers)

    return provoke


def answers(status: int, *, strict: bool) -> Provoke:
    """A model server that answers with a status and what is no completion, where errors are masked."""

    async def provoke(upstream: FakeUpstream) -> Answer:
        upstream.push(json_reply(FAILED, status=status))
        known = msgspec.structs.replace(model("m", target(upstream.url)), sanitize=not strict)
        async with House(known, strict=strict) as house:
            return await house.call(chat())

    return provoke


def fails(answer: Any, **settings: Any) -> Provoke:
    """A model server that fails."""

    async def provoke(upstream: FakeUpstream) -> Answer:
        upstream.push(answer)
        async with House(model("m", target(upstream.url)), settings=upstream_settings(**settings)) as house:
            return await house.call(chat())

    return provoke


def with_key(known: Key) -> Provoke:
    """A call with such a key."""
    return calls(chat(), keys={SECRET: known})


def with_effort(**said: Any) -> Provoke:
    """A call of a model whose efforts are told in other words."""
    values = {effort: 64 for effort in EFFORTS if effort != "none"}
    told = {
        "writes": [{"target": "/thinking/budget_tokens", "values": values}],
        "unsupported_efforts": ["none"],
    }
    reasoning = reasoning_of({"chat_completions": told})

    async def provoke(upstream: FakeUpstream) -> Answer:
        thinking = msgspec.structs.replace(target(upstream.url), reasoning=reasoning)
        async with House(model("m", thinking)) as house:
            return await house.call({**chat(), **said})

    return provoke


def translated(**said: Any) -> Provoke:
    """A response of a model whose server knows only chat completions."""

    async def provoke(upstream: FakeUpstream) -> Answer:
        async with House(model("m", target(upstream.url, adapts_responses=True))) as house:
            return await house.call({"model": "m", "input": "hi", **said}, "/ai/v1/responses")

    return provoke


def with_a_form(body: bytes, **limits: int) -> Provoke:
    """A form with this body."""
    settings = GatewaySettings(uploads=UploadSettings(**limits))

    async def provoke(upstream: FakeUpstream) -> Answer:
        async with House(model("m", target(upstream.url)), settings=settings) as house:
            headers = {"content-type": "multipart/form-data; boundary=x"}
            return await house.call(body, "/ai/v1/audio/transcriptions", headers=headers)

    return provoke


def ruled(rule: Rule) -> Provoke:
    """A call that a traffic rule of its model is for."""

    async def provoke(upstream: FakeUpstream) -> Answer:
        known = msgspec.structs.replace(model("m", target(upstream.url)), rules={"realtime": rule})
        async with House(known) as house:
            return await house.call(chat())

    return provoke


def at_a_limit(**limit: float) -> Provoke:
    """The second call of a key that has one, while the first one is under way."""
    limited = msgspec.structs.replace(key(), limits=msgspec.convert({"id": "key:a", **limit}, Limits))

    async def provoke(upstream: FakeUpstream) -> Answer:
        upstream.push(HANG)
        known = model("m", target(upstream.url))
        async with House(known, keys={SECRET: limited}) as house, house.wire() as wire:
            wire.send(CHAT, msgspec.json.encode(chat()), bearer())
            await upstream.wait_for(1)
            return await house.call(chat())

    return provoke


def without_money(credit: str, budget: str | None = None) -> Provoke:
    """A call of a model with a price, with so much credit, of a key with such a budget."""

    async def provoke(upstream: FakeUpstream) -> Answer:
        till = Till(credit)
        known = msgspec.structs.replace(model("m", target(upstream.url)), tariffs=tariffs())
        bound = key() if budget is None else till.bind(key(), budget)
        async with House(known, keys={SECRET: bound}, funds=till.funds) as house:
            return await house.call(chat())

    return provoke


async def without_targets(upstream: FakeUpstream) -> Answer:
    del upstream
    async with House(pool("m")) as house:
        return await house.call(chat())


async def without_a_key(upstream: FakeUpstream) -> Answer:
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        wire.send(CHAT, msgspec.json.encode(chat()))
        return await wire.answer()


async def without_access(upstream: FakeUpstream) -> Answer:
    async with House(model("m", target(upstream.url), groups=("g",))) as house:
        return await house.call(chat())


async def of_an_unknown_endpoint(upstream: FakeUpstream) -> Answer:
    application = Litestar(
        [], exception_handlers=exception_handlers(), openapi_config=None, logging_config=None
    )
    async with House(model("m", target(upstream.url)), strict=True, application=application) as house:
        return await house.call(chat(), "/ai/v1/rerank")


async def with_a_body_that_stops(upstream: FakeUpstream) -> Answer:
    limits = ListenerSettings(body_timeout=Duration(0.05), drain=Duration(0.2))
    async with House(model("m", target(upstream.url)), listener=limits) as house, house.wire() as wire:
        wire.writer.write(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{" % CHAT.encode())
        async with asyncio.TaskGroup() as tasks:
            sweeping = tasks.create_task(house.listener.run())
            answer = await wire.answer()
            sweeping.cancel()
        return answer


async def at_a_fault(upstream: FakeUpstream) -> Answer:
    async with House(model("m", target(upstream.url))) as house:
        house.gateway.recording = _Faulty()
        return await house.call(chat())


async def at_a_broken_endpoint(upstream: FakeUpstream) -> Answer:
    async with House(model("m", target(upstream.url, auth=("bad name", "x")))) as house:
        return await house.call(chat())


async def without_a_recording(upstream: FakeUpstream) -> Answer:
    async with House(model("m", target(upstream.url))) as house:
        house.ledger.refusal = "the disk is full"
        return await house.call(chat())


async def without_a_model_server(upstream: FakeUpstream) -> Answer:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        async with House(model("m", target(url))) as house:
            return await house.call(chat())


async def without_a_connection(upstream: FakeUpstream) -> Answer:
    upstream.push(HANG)
    settings = upstream_settings(max_connections=1, max_waiting=0)
    async with House(model("m", target(upstream.url)), settings=settings) as house, house.wire() as wire:
        wire.send(CHAT, msgspec.json.encode(chat()), bearer())
        await upstream.wait_for(1)
        return await house.call(chat())


SITUATIONS: dict[str, Provoke] = {
    "the body is no JSON": calls(b"{"),
    "no model is named": calls({"messages": []}),
    "a field that decides the call has the wrong type": calls({"model": "m", "stream": "yes"}),
    "such a field stands there twice": calls(b'{"model":"m","model":"m"}'),
    "translated responses: a field that a chat-only server cannot heed": translated(conversation="c"),
    "translated responses: a value that it cannot take": translated(tools=[{"type": "web_search"}]),
    "translated responses: a field of chat completions": translated(max_tokens=5),
    "there is no such effort of reasoning": with_effort(reasoning_effort="huge"),
    "the model does not have this effort": with_effort(reasoning_effort="none"),
    "a field that only the model's own server knows, beside efforts": with_effort(thinking={}),
    "the answer has less room than the effort takes": with_effort(reasoning_effort="high", max_tokens=9),
    "a form that cannot be read": with_a_form(b"--x\r\n"),
    "a body that is not compressed as it says": calls(chat(), headers={"content-encoding": "gzip"}),
    "no API key": without_a_key,
    "a wrong API key": calls(chat(), headers=bearer("sk-wrong")),
    "an expired API key": with_key(key(expires_at=1.0)),
    "an API key that is not for calls": with_key(key("platform")),
    "the account has no credit left": without_money("0"),
    "a budget of the key or the account is used up": without_money("10", "0"),
    "a model that the key may not use": without_access,
    "an API key that is not for this client's network": with_key(
        msgspec.structs.replace(key(), allowed=ELSEWHERE)
    ),
    "a traffic rule denies keys of this purpose": ruled(Rule(redirect=False)),
    "an unknown model": calls(chat("nothing")),
    "an unknown endpoint": of_an_unknown_endpoint,
    "the body does not arrive in time": with_a_body_that_stops,
    "the body is too large": calls(chat(), listener=ListenerSettings(max_body_bytes=10, drain=Duration(0.2))),
    "the body is compressed in a way that is not understood": calls(
        chat(), headers={"content-encoding": "br"}
    ),
    "an effort that needs a limit of the answer's length": with_effort(reasoning_effort="high"),
    "a tool of the server that the call does not have, or a function with the name of one": translated(
        tools=[{"type": "hosted_tool", "name": "weather"}]
    ),
    "strict mode: the body does not fit its schema": calls({"model": "m"}, strict=True),
    "a rate of the key, model or endpoint is used up": at_a_limit(requests_per_minute=1),
    "all calls at once that the key, model or endpoint takes are under way": at_a_limit(max_concurrent=1),
    "a fault of the gateway": at_a_fault,
    "the endpoint cannot be called as it is set up": at_a_broken_endpoint,
    "a traffic rule leads to no model": ruled(Rule(redirect=True, target="gone")),
    "the model has no model server": without_targets,
    "there is no room to keep a form": with_a_form(
        b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n', max_total_bytes=1
    ),
    "calls cannot be recorded": without_a_recording,
    "the model server cannot be reached": without_a_model_server,
    "the model server breaks off, or speaks no HTTP": fails(CLOSED),
    "no connection to the model server is free": without_a_connection,
    "the model server is too late": fails(HANG, first_byte_timeout=0.1),
    "sanitised model: the model server answers 400 to 499": answers(400, strict=False),
    "sanitised model: the model server answers 500 or more": answers(500, strict=False),
    "sanitised model: an answer that cannot be read": answers(200, strict=False),
    "strict mode: the model server answers 400 to 499": answers(400, strict=True),
    "strict mode: the model server answers 404": answers(404, strict=True),
    "strict mode: the model server answers 429": answers(429, strict=True),
    "strict mode: the model server answers 500 or more": answers(500, strict=True),
    "strict mode: an answer that cannot be read": answers(200, strict=True),
}


def test_the_page_tells_of_every_situation_and_of_no_other() -> None:
    assert set(TOLD) == set(SITUATIONS)


@pytest.mark.parametrize("situation", SITUATIONS)
async def test_the_answer_is_as_the_page_says(upstream: FakeUpstream, situation: str) -> None:
    answer = await SITUATIONS[situation](upstream)
    body = answer.json()
    assert list(body) == ["error"]
    error = body["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert (answer.status, error["code"], error["type"], error["param"]) == TOLD[situation]
    # A sentence, for people.
    assert error["message"][:1].isupper()
    assert "provider" not in error["message"]
    assert answer.header("content-type") == "application/json"
    assert (answer.header("www-authenticate") == "Bearer") is (answer.status == 401)
    # What a model server has said of it goes along, too.
    assert (answer.header("retry-after") is not None) is (answer.status == 503 or error["code"] in LIMITS)
    assert answer.header("content-length") == str(len(answer.body))
    assert answer.header("x-request-id")
