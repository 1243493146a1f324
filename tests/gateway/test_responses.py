"""`/ai/v1/responses` on models whose servers know only chat completions."""

import gzip

import msgspec
import pytest

from dwctl.core.ids import new_uuid
from dwctl.core.settings import Duration
from dwctl.gateway.settings import GatewaySettings
from dwctl.requests.record import Record, State
from dwctl.requests.render import response_object
from dwctl.requests.store import StoredRequest
from dwctl.routing.limits import Limits
from dwctl.routing.snapshot import Model, Target
from dwctl.wire.reasoning import reasoning_of
from dwctl.wire.sse import events
from tests.fakes import shapes
from tests.fakes.answers import (
    HANG,
    KEEP_ALIVE,
    Answer,
    Framing,
    Hang,
    bad_gateway_page,
    frames,
    json_reply,
    stream_reply,
    too_many_requests,
)
from tests.fakes.shapes import Json
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import House, bearer, encoded, model, pool, target, upstream_settings
from tests.gateway.test_errands import Runner, errand
from tests.gateway.test_errands import house as hidden_house
from tests.gateway.till import PRICE, Till, tariffs
from tests.gateway.two import Two
from tests.wire.open_responses import rebuilt, response, told

PATH = "/ai/v1/responses"
ASKED: Json = {"model": "m", "input": "Say hello.", "metadata": {"a": "b"}, "max_output_tokens": 64}
SENT = {"model": "fake-model", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 64}
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
TEXT = "Hello from the fake model."
TOKENS = frames(shapes.chat_chunks("fake-model", ["a", "b"], include_usage=True))


def adapted(place: Target) -> Target:
    """A target whose server knows only chat completions."""
    return msgspec.structs.replace(place, adapts_responses=True)


def chat_only(upstream: FakeUpstream) -> Model:
    """A model on such a server."""
    return model("m", adapted(target(upstream.url)))


def read_back(house: House) -> Json:
    """The last call as it is fetched by its id."""
    record, body = house.ledger.finished[-1]
    return response_object(stored(record, house.ledger.started[-1][1], body))


def stored(record: Record, asked: bytes, body: bytes) -> StoredRequest:
    """A record as a row."""
    names = set(StoredRequest.__struct_fields__) & set(Record.__struct_fields__)
    values = {name: getattr(record, name) for name in names}
    return msgspec.convert(values | {"request": asked, "response": body}, StoredRequest, strict=False)


def error(answer: Json) -> tuple[str, str, str | None, str | None]:
    """All four members."""
    inner = answer["error"]
    return inner["message"], inner["type"], inner["param"], inner["code"]


async def test_a_response_is_a_chat_completion_upstream(upstream: FakeUpstream) -> None:
    async with House(chat_only(upstream)) as house:
        async with house.wire() as wire:
            wire.send(f"{PATH}?x=1", encoded(ASKED), bearer())
            answer = await wire.answer()
        record = await house.recorded()
        back = read_back(house)
        body = house.ledger.finished[0][1]
    seen = upstream.posts[0]
    assert (seen.target, seen.json()) == ("/v1/chat/completions", SENT)
    found = answer.json()
    response(found)
    assert answer.header("x-onwards-response-id") == found["id"] == f"resp_{record.id}"
    assert (found["status"], found["model"], found["metadata"]) == ("completed", "m", {"a": "b"})
    assert found["output"][0]["content"][0]["text"] == TEXT
    assert found["usage"]["output_tokens"] == record.completion_tokens == 5
    # The row: the client's request under its path, and what the server said with our id.
    assert record.path == "/v1/responses"
    assert house.ledger.started[0][1] == encoded(ASKED)
    assert msgspec.json.decode(body)["object"] == "chat.completion"
    assert msgspec.json.decode(body)["id"] == found["id"]
    assert back == found


async def test_a_response_is_streamed(upstream: FakeUpstream) -> None:
    async with House(chat_only(upstream)) as house:
        answer = await house.call(ASKED | {"stream": True}, PATH)
        record = await house.recorded()
        back = read_back(house)
    assert upstream.posts[0].json() == {**SENT, **STREAM}
    assert (answer.header("content-type") or "").startswith("text/event-stream")
    found = told(answer.body)
    assert [event["type"] for event in found[:2]] == ["response.created", "response.in_progress"]
    assert found[-1]["response"] == back
    assert found[-1]["response"]["output"] == rebuilt(found)
    assert (record.state, record.total_tokens, record.finish_reason) == (State.COMPLETED, 7, "stop")
    # Each event is a chunk, and so a write, of its own.
    assert [chunk for chunk in answer.chunks if chunk] == list(events(answer.body))


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
async def test_a_stream_in_pieces_is_the_same_stream(
    upstream: FakeUpstream, size: int, line_end: bytes
) -> None:
    chunks = shapes.chat_chunks("fake-model", ["Hé", "llo ✓"], include_usage=True)
    upstream.push(stream_reply(frames(chunks, line_end=line_end), framing=Framing.CHUNKED).in_pieces(size))
    async with House(chat_only(upstream)) as house:
        answer = await house.call(ASKED | {"stream": True}, PATH)
    found = told(answer.body)
    assert [event["delta"] for event in found if event["type"] == "response.output_text.delta"] == [
        "Hé",
        "llo ✓",
    ]
    assert [chunk for chunk in answer.chunks if chunk] == list(events(answer.body))


async def test_a_compressed_request_is_translated(upstream: FakeUpstream) -> None:
    async with House(chat_only(upstream)) as house:
        answer = await house.call(gzip.compress(encoded(ASKED)), PATH, {"content-encoding": "gzip"})
    assert answer.json()["metadata"] == ASKED["metadata"]
    assert upstream.posts[0].json() == SENT


async def test_a_server_that_knows_responses_is_asked_as_before(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        for _ in range(3):
            wire.send(PATH, encoded(ASKED), bearer())
            assert (await wire.answer()).status == 200
    assert {post.target for post in upstream.posts} == {"/v1/responses"}
    assert {post.body for post in upstream.posts} == {encoded(ASKED | {"model": "fake-model"})}


async def test_calls_of_one_connection_are_each_translated(upstream: FakeUpstream) -> None:
    async with House(chat_only(upstream)) as house, house.wire() as wire:
        for _ in range(3):
            wire.send(PATH, encoded(ASKED), bearer())
            assert (await wire.answer()).json()["object"] == "response"
    assert [post.json() for post in upstream.posts] == [SENT] * 3


@pytest.mark.parametrize("stream", [False, True])
async def test_the_first_target_says_what_the_model_speaks(two: Two, stream: bool) -> None:
    two.first.push(json_reply(shapes.error("no"), status=503))
    async with House(pool("m", adapted(two.one), two.two)) as house:
        answer = await house.call(ASKED | {"stream": stream}, PATH)
        record = await house.recorded()
        back = read_back(house)
    assert [posts[0].target for posts in (two.first.posts, two.second.posts)] == ["/v1/chat/completions"] * 2
    assert [posts[0].json()["model"] for posts in (two.first.posts, two.second.posts)] == [
        "name-one",
        "name-two",
    ]
    assert answer.header("x-dwctl-attempts") == "2"
    assert (told(answer.body)[-1]["response"] if stream else answer.json()) == back
    assert back["output"][0]["content"][0]["text"] == "two"
    assert record.endpoint_id == two.two.endpoint_id
    async with House(pool("m", two.one, adapted(two.two))) as house:
        await house.call(ASKED, PATH)
    assert two.first.posts[1].target == "/v1/responses"


async def test_a_stream_that_fails_before_its_beginning_is_asked_elsewhere(two: Two) -> None:
    two.first.push(stream_reply(frames([{"error": {"message": "no", "code": 503}}])))
    async with House(pool("m", adapted(two.one), adapted(two.two))) as house:
        answer = await house.call(ASKED | {"stream": True}, PATH)
    assert told(answer.body)[-1]["type"] == "response.completed"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"background": True, "tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"service_tier": "flex", "text": {"format": {"type": "xml"}}}, "text.format.type"),
    ],
)
async def test_what_cannot_be_translated_is_refused_by_its_field(
    upstream: FakeUpstream, fields: Json, param: str
) -> None:
    async with House(chat_only(upstream)) as house:
        answer = await house.call(ASKED | fields, PATH)
        assert house.ledger.started == []
    assert (answer.status, error(answer.json())[2]) == (400, param)
    assert upstream.posts == []


async def test_nobody_unknown_makes_us_translate(upstream: FakeUpstream) -> None:
    async with House(chat_only(upstream)) as house:
        answer = await house.call(ASKED | {"input": 5}, PATH, {"authorization": "Bearer sk-wrong"})
        strange = await house.call(ASKED | {"model": "none", "input": 5}, PATH)
    assert (answer.status, strange.status) == (401, 404)


async def test_errors_of_the_model_server_name_our_fields(upstream: FakeUpstream) -> None:
    upstream.push(
        json_reply(shapes.error("'max_tokens' is too large", param="max_tokens", code="c"), status=400),
        too_many_requests("7"),
        bad_gateway_page(),
    )
    async with House(chat_only(upstream)) as house:
        large = await house.call(ASKED, PATH)
        limited = await house.call(ASKED, PATH)
        page = await house.call(ASKED | {"stream": True}, PATH)
        bodies = [body for _, body in house.ledger.finished]
        back = read_back(house)
    text = "'max_output_tokens' is too large"
    assert error(large.json()) == (text, "invalid_request_error", "max_output_tokens", "c")
    assert (limited.status, limited.header("retry-after")) == (429, "7")
    assert (page.status, error(page.json())[1]) == (502, "server_error")
    assert bodies == [large.body, limited.body, page.body]
    assert (back["status"], back["output"]) == ("failed", [])


@pytest.mark.parametrize("compressed", [False, True])
async def test_an_answer_that_is_no_chat_completion_is_an_error(
    upstream: FakeUpstream, compressed: bool
) -> None:
    body = shapes.chat_completion("fake-model", "hi") if compressed else shapes.models(["x"])
    upstream.push(json_reply(body, compressed=compressed))
    async with House(chat_only(upstream)) as house:
        answer = await house.call(ASKED, PATH)
        record = await house.recorded()
    assert (answer.status, error(answer.json())[1]) == (502, "server_error")
    assert (record.status_code, record.upstream_status, record.state) == (502, 200, State.FAILED)


@pytest.mark.parametrize("ends", [False, True])
async def test_a_stream_that_breaks_off_fails_and_says_nothing_else(
    upstream: FakeUpstream, ends: bool
) -> None:
    begun = frames(shapes.chat_chunks("fake-model", ["a", "b"])[:2], done=False)
    cut = stream_reply(begun, framing=Framing.CHUNKED)
    upstream.push(cut if ends else cut.cut(-5))
    async with House(chat_only(upstream)) as house:
        answer = await house.call(ASKED | {"stream": True}, PATH)
        record = await house.recorded()
        back = read_back(house)
    found = told(answer.body)
    assert found[-1]["type"] == "response.failed"
    assert found[-1]["response"]["error"]["code"] == "server_error"
    assert (record.state, record.status_code) == (State.FAILED, 502)
    assert back["status"] == "failed"
    assert back["error"]["message"] == found[-1]["response"]["error"]["message"]


async def test_an_error_inside_a_stream_is_a_failure(upstream: FakeUpstream) -> None:
    broken = {"error": {"message": "out of memory", "code": 500}}
    upstream.push(stream_reply([TOKENS[0], *frames([broken])]), stream_reply(frames([broken])))
    async with House(chat_only(upstream)) as house:
        late = await house.call(ASKED | {"stream": True}, PATH)
        early = await house.call(ASKED | {"stream": True}, PATH)
        states = [record.state for record, _ in house.ledger.finished]
    assert told(late.body)[-1]["response"]["error"]["message"] == "out of memory"
    assert [event["type"] for event in told(early.body)] == ["error"]
    assert states == [State.FAILED, State.FAILED]


async def test_an_upstream_that_is_late_is_told_before_anything_began(upstream: FakeUpstream) -> None:
    upstream.push(HANG)
    slow = upstream_settings(first_byte_timeout=Duration(0.05))
    async with House(chat_only(upstream), settings=slow) as house:
        late = await house.call(ASKED | {"stream": True}, PATH)
    assert (late.status, error(late.json())[3]) == (504, "gateway_timeout")


async def test_a_silent_stream_is_kept_alive_by_comments(upstream: FakeUpstream) -> None:
    upstream.push(Answer((*stream_reply(TOKENS[:1]).steps[:-1], Hang())))
    settings = GatewaySettings(stream_keep_alive=Duration(0.05))
    async with House(chat_only(upstream), settings=settings) as house, house.wire() as wire:
        wire.send(PATH, encoded(ASKED | {"stream": True}), bearer())
        assert (await wire.answer(head_only=True)).status == 200
        first = [await wire.chunk() for _ in range(2)]
        assert [chunk.split(b"\n")[0] for chunk in first] == [
            b"event: response.created",
            b"event: response.in_progress",
        ]
        assert [await wire.chunk() for _ in range(2)] == [KEEP_ALIVE] * 2


async def test_a_client_that_leaves_ends_the_call_upstream(upstream: FakeUpstream) -> None:
    upstream.push(Answer((*stream_reply(TOKENS[:2]).steps[:-1], Hang())))
    async with House(chat_only(upstream)) as house:
        async with house.wire() as wire:
            wire.send(PATH, encoded(ASKED | {"stream": True}), bearer())
            await wire.answer(head_only=True)
            await wire.chunk()
        record = await house.recorded()
        await house.until(lambda: upstream.posts[0].left_early, "the gateway hangs up")
    assert (record.status_code, record.path) == (499, "/v1/responses")
    assert record.estimated


async def test_what_goes_upstream_is_reserved_and_what_it_used_is_paid(upstream: FakeUpstream) -> None:
    till = Till("10")
    upstream.push(HANG)
    asked = ASKED | {"instructions": "Be brief.", "max_output_tokens": 7}
    priced = msgspec.structs.replace(chat_only(upstream), tariffs=tariffs())
    async with House(priced, funds=till.funds) as house:
        async with house.wire() as wire:
            wire.send(PATH, encoded(asked), bearer())
            await house.until(lambda: len(upstream.posts) == 1, "the call is under way")
            # The upstream's name of the model is longer than the client's.
            sent = len(upstream.posts[0].body) - len("fake-model") + len("m")
            assert till.reserved == PRICE * (sent + 7)
        await house.recorded()
        before = till.charged
        answer = await house.call(asked, PATH)
        record = await house.recorded(2)
    assert answer.status == 200
    assert record.cost == PRICE * (record.total_tokens or 0)
    assert till.charged - before == record.cost
    assert till.reserved == 0


async def test_limits_hold(upstream: FakeUpstream) -> None:
    limits = Limits.of("model:m", 1, 1, None, None, None)
    async with House(msgspec.structs.replace(chat_only(upstream), limits=limits)) as house:
        first = await house.call(ASKED, PATH)
        second = await house.call(ASKED, PATH)
    assert (first.status, second.status) == (200, 429)
    assert second.header("retry-after")


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_only_what_is_sanitised_is_translated(
    upstream: FakeUpstream, strict: bool, stream: bool
) -> None:
    chunks = [
        chunk | {"provider": "acme"} for chunk in shapes.chat_chunks("fake-model", ["a"], include_usage=True)
    ]
    whole = shapes.chat_completion("fake-model", "a") | {"provider": "acme"}
    upstream.push(stream_reply(frames(chunks)) if stream else json_reply(whole))
    upstream.push(json_reply(shapes.error("acme: node gpu-7"), status=500))
    wanted = msgspec.structs.replace(chat_only(upstream), sanitize=True)
    async with House(wanted, strict=strict) as house:
        answer = await house.call(ASKED | {"stream": stream}, PATH)
        back = read_back(house)
        masked = await house.call(ASKED, PATH)
        body = house.ledger.finished[0][1]
    assert (told(answer.body)[-1]["response"] if stream else answer.json()) == back
    assert b"acme" not in answer.body + body + masked.body
    assert back["output"][0]["content"][0]["text"] == "a"
    assert masked.status == 500


async def test_strict_mode_checks_the_clients_own_request(upstream: FakeUpstream) -> None:
    async with House(chat_only(upstream), strict=True) as house:
        assert (await house.call({"model": "m"}, PATH)).status == 422
        assert (await house.call(ASKED, PATH)).status == 200


async def test_effort_is_said_as_the_target_wants_it(upstream: FakeUpstream) -> None:
    efforts = ["none", "minimal", "medium", "high", "xhigh", "max"]
    spoken = reasoning_of(
        {
            "chat_completions": {
                "writes": [{"target": "/thinking_token_budget", "values": {"low": 32}}],
                "unsupported_efforts": efforts,
            }
        }
    )
    place = msgspec.structs.replace(adapted(target(upstream.url)), reasoning=spoken)
    low, high = ({"reasoning": {"effort": effort}} for effort in ("low", "high"))
    for wanted in (model("m", place), pool("m", place)):
        upstream.forget()
        async with House(wanted) as house:
            assert (await house.call(ASKED | low, PATH)).status == 200
            refused = await house.call(ASKED | high, PATH)
            unlimited = await house.call({"model": "m", "input": "x", **low}, PATH)
        assert upstream.posts[0].json() == {**SENT, "thinking_token_budget": 32}
        assert (refused.status, error(refused.json())[2]) == (400, "reasoning.effort")
        assert "'reasoning.effort'" in error(refused.json())[0]
        assert (unlimited.status, error(unlimited.json())[2]) == (422, "max_output_tokens")


async def test_forbidden_calls_reach_neither_client_nor_reader(upstream: FakeUpstream) -> None:
    tools = [{"type": "function", "name": name} for name in ("f", "g")]
    choice = {"type": "allowed_tools", "mode": "required", "tools": tools[:1]}
    calls = [
        {"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}} for name in ("f", "g")
    ]
    whole = shapes.chat_completion("fake-model", "", finish_reason="tool_calls")
    whole["choices"][0]["message"] |= {"content": None, "tool_calls": calls}
    upstream.push(json_reply(whole))
    async with House(chat_only(upstream)) as house:
        answer = await house.call(ASKED | {"tools": tools, "tool_choice": choice}, PATH)
        back = read_back(house)
    assert upstream.posts[0].json()["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in upstream.posts[0].json()["tools"]] == ["f"]
    assert [item["name"] for item in answer.json()["output"]] == ["f"]
    assert answer.json()["tool_choice"] == choice
    assert answer.json() == back


@pytest.mark.parametrize("streamable", [(), ("/v1/responses",)])
async def test_queued_work_is_translated_too(upstream: FakeUpstream, streamable: tuple[str, ...]) -> None:
    ident = new_uuid()
    async with hidden_house(chat_only(upstream)) as house:
        runner = Runner(house, streamable)
        came = await runner.run(errand(id=ident, path="/v1/responses", body=encoded(ASKED)))
        wrong = await runner.run(errand(path="/v1/responses", body=encoded(ASKED | {"conversation": "c"})))
    found = came.json()
    response(found)
    assert (came.record.state, came.record.path, found["id"]) == (
        State.COMPLETED,
        "/v1/responses",
        f"resp_{ident}",
    )
    assert found["output"][0]["content"][0]["text"] == TEXT
    assert came.record.total_tokens == found["usage"]["total_tokens"]
    assert upstream.posts[0].json() == {**SENT, **(STREAM if streamable else {})}
    assert (wrong.record.state, wrong.record.status_code) == (State.FAILED, 400)
    assert wrong.json()["error"]["param"] == "conversation"


async def test_a_queued_stream_without_an_end_has_failed(upstream: FakeUpstream) -> None:
    upstream.push(stream_reply(TOKENS[:2], framing=Framing.CHUNKED))
    async with hidden_house(chat_only(upstream)) as house:
        runner = Runner(house, ("/v1/responses",))
        came = await runner.run(errand(path="/v1/responses", body=encoded(ASKED)))
    assert (came.record.state, came.record.status_code) == (State.FAILED, 502)
