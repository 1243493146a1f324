"""One call of a tool: what is sent, and what the model is told of whatever comes back."""

from typing import Any

import pytest

from dwctl.core.reach import NetworkSettings
from dwctl.gateway.settings import GatewaySettings, UpstreamSettings
from dwctl.gateway.tools.settings import ToolSettings
from tests.fakes.answers import HANG, Answer, Close, Framing, json_reply, reply, server_error
from tests.fakes.shapes import Json
from tests.fakes.tools import Caller
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import encoded
from tests.gateway.tools.bench import PATH, asked, at_rest, house, results, tool, tooled

ULM = ("weather", {"city": "Ulm"})


async def said(
    upstream: FakeUpstream,
    server: FakeUpstream,
    call: tuple[str, Any] = ULM,
    *,
    bounds: ToolSettings | None = None,
    settings: GatewaySettings | None = None,
    **more: Any,
) -> str:
    """What the model is told of one call of the tool `weather`."""
    caller = Caller([call])
    upstream.forget(caller)
    async with house(tooled(upstream, tool(server, "weather", **more)), bounds, settings=settings) as running:
        answer = await running.call(asked(), PATH)
        assert answer.status == 200, answer.body
        (text,) = results(answer.json())
        assert at_rest(running)
    assert caller.asked[1]["messages"][-1]["content"] == text
    return text


JSON = b'{"n": 12345678901234567890, "text": "\xc3\xa4"}'


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        # JSON goes on as its bytes came.
        (reply(JSON, headers=[("content-type", "application/json")]), JSON.decode()),
        (reply([JSON[:9], JSON[9:]], framing=Framing.CHUNKED), JSON.decode()),
        (reply(b"[1, 2]"), "[1, 2]"),
        (reply(b'"plain"'), '"plain"'),
        (reply("Sunny, 25°".encode()), '{"result":"Sunny, 25°"}'),
        (reply(b""), '{"result":""}'),
        (reply(b"\xff\xfe"), '{"result":"\ufffd\ufffd"}'),
        (reply(b"Sun", framing=Framing.UNTIL_CLOSE), '{"result":"Sun"}'),
        (reply(b"", status=204, content_length=0), '{"result":""}'),
        (reply(b"no such city", status=404), "Error: the tool answered 404: no such city"),
        (reply(b"", status=503), "Error: the tool answered 503."),
        (reply(b"x" * 2000, status=400), f"Error: the tool answered 400: {'x' * 1024}"),
        (
            json_reply({"a": 1}, compressed=True),
            "Error: the answer of the tool is compressed, which was not asked for.",
        ),
        (Answer((b"nonsense\r\n\r\n",)), "Error: the server of the tool did not answer in HTTP."),
        (Answer((Close(),)), "Error: the server of the tool closed the connection before answering."),
        (reply(b"abc").cut(-1), "Error: the server of the tool cut its answer short."),
    ],
)
async def test_what_comes_back(
    upstream: FakeUpstream, server: FakeUpstream, answer: Answer, text: str
) -> None:
    server.push(answer)
    assert await said(upstream, server) == text


async def test_redirects_are_not_followed(upstream: FakeUpstream, server: FakeUpstream) -> None:
    where = f"http://{server.host}:{server.port}/tools/clock"
    server.push(reply(b"", status=307, headers=[("location", where)]))
    assert await said(upstream, server) == "Error: the tool answered 307."
    assert len(server.posts) == 1


@pytest.mark.parametrize("framing", [Framing.LENGTH, Framing.CHUNKED])
@pytest.mark.parametrize(("size", "fits"), [(100, True), (101, False)])
async def test_an_answer_is_so_long_at_most(
    upstream: FakeUpstream, server: FakeUpstream, framing: Framing, size: int, fits: bool
) -> None:
    server.push(reply(b"1" * size, framing=framing))
    text = await said(upstream, server, bounds=ToolSettings(max_result_bytes=100))
    assert text == ("1" * 100 if fits else "Error: the answer of the tool is longer than 100 bytes.")


@pytest.mark.parametrize(
    "late",
    [HANG, Answer((reply(b"abc").steps[0], *HANG.steps)), reply(b"abc").delayed(5)],
    ids=["silent", "half", "slow"],
)
async def test_a_tool_takes_so_long_at_most(
    upstream: FakeUpstream, server: FakeUpstream, late: Answer
) -> None:
    usual = server.respond
    server.forget(lambda _: late)
    text = await said(upstream, server, timeout=0.2)
    assert text == "Error: the tool did not answer within 0.2 seconds."
    server.forget(usual)
    assert await said(upstream, server, timeout=5.0) == '{"city":"Ulm","sun":true}'


async def test_nobody_is_there(upstream: FakeUpstream, server: FakeUpstream) -> None:
    text = await said(upstream, server, url="http://127.0.0.1:1/x")
    assert text == "Error: the server of the tool cannot be reached."


async def test_addresses_that_may_not_be_called(upstream: FakeUpstream, server: FakeUpstream) -> None:
    """The rules are those of model servers."""
    settings = GatewaySettings(upstream=UpstreamSettings(networks=NetworkSettings(denied=("127.0.0.2/32",))))
    url = f"http://127.0.0.2:{server.port}/tools/weather"
    text = await said(upstream, server, settings=settings, url=url)
    assert text == "Error: the server of the tool has an address that this gateway may not call."
    link_local = await said(upstream, server, url="http://169.254.169.254/latest/meta-data")
    assert link_local == "Error: the server of the tool has an address that this gateway may not call."
    assert server.posts == []


@pytest.mark.parametrize("arguments", ["[1]", "{", '{"a":1}x', '"x"'])
async def test_arguments_that_are_none(upstream: FakeUpstream, server: FakeUpstream, arguments: str) -> None:
    text = await said(upstream, server, ("weather", arguments))
    assert text == "Error: the arguments are not a JSON object."
    assert server.posts == []


@pytest.mark.parametrize(("arguments", "body"), [("", b"{}"), ('{"a": 1.50}', b'{"a": 1.50}')])
async def test_what_is_sent(
    upstream: FakeUpstream, server: FakeUpstream, arguments: str, body: bytes
) -> None:
    url = f"http://{server.host}:{server.port}/tools/weather?unit=c%20d"
    await said(upstream, server, ("weather", arguments), url=url, parameters=None)
    (post,) = server.posts
    assert (post.target, post.body) == ("/tools/weather?unit=c%20d", body)
    assert post.header("content-type") == "application/json"
    assert post.header("connection") == "close"
    # Nothing of the client's, and no credential of anybody's.
    assert post.header("authorization") is None
    shown = upstream.posts[0].json()["tools"][0]["function"]["parameters"]
    assert shown == {"type": "object", "properties": {}}


async def test_the_same_call_has_the_same_key(upstream: FakeUpstream, server: FakeUpstream) -> None:
    upstream.forget(Caller([ULM, ULM], [("weather", {"city": "Bonn"}), ULM]))
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        await running.call(asked(), PATH)
        record = await running.recorded()
    found = [str(post.header("idempotency-key")) for post in server.posts]
    assert len(set(found)) == 4
    assert all(key.startswith(record.id) for key in found)
    ulm = sorted(key for key, post in zip(found, server.posts, strict=True) if b"Ulm" in post.body)
    assert [key.rpartition("-")[2] for key in ulm] == ["0", "1", "2"]
    assert len({key.rpartition("-")[0] for key in ulm}) == 1


async def test_a_tool_is_called_once_whatever_its_connection_does(
    upstream: FakeUpstream, server: FakeUpstream
) -> None:
    """A kept connection that turns out to be closed would have the request sent again."""
    caller = Caller(*[[ULM]] * 3)
    upstream.forget(caller)
    server.push(json_reply({"a": 1}), Answer((Close(),)), server_error())
    async with house(tooled(upstream, tool(server, "weather"))) as running:
        answer = await running.call(asked(), PATH)
    assert [text[:8] for text in results(answer.json())] == ['{"a":1}', "Error: t", "Error: t"]
    assert len(server.posts) == server.connections == 3


async def test_what_it_is_asked_is_not_what_others_said(upstream: FakeUpstream, server: FakeUpstream) -> None:
    """Headers of the client go to model servers, not to tools."""
    upstream.forget(Caller([ULM]))
    async with house(tooled(upstream, tool(server, "weather"))) as running, running.wire() as wire:
        headers: Json = {"authorization": "Bearer sk-test-0123456789abcdef", "x-custom": "private"}
        wire.send(PATH, encoded(asked()), headers)
        assert (await wire.answer()).status == 200
    assert upstream.posts[0].header("x-custom") == "private"
    assert server.posts[0].header("x-custom") is None
