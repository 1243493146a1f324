"""A call from the port to the model server and back."""

import msgspec
import pytest

from dwctl.routing.snapshot import Purpose
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, SECRET, House, bearer, chat, encoded, key, model, target


async def test_a_chat_call_reaches_the_model_server_and_its_answer_the_client(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url + "/", auth=("authorization", "Bearer up")))) as house:
        answer = await house.call(chat(temperature=0.5), headers={"x-custom": "1"})

        assert answer.status == 200
        record = await house.recorded()
        assert answer.json()["id"] == f"resp_{record.id}"
        assert answer.header("x-onwards-response-id") == f"resp_{record.id}"
        assert answer.header("x-request-id") == record.id
        assert float(answer.header("x-dwctl-overhead-ms") or "-1") >= 0
        assert answer.header("server") is None
        assert answer.json()["choices"][0]["message"]["content"] == "Hello from the fake model."
        seen = upstream.posts[0]
        assert seen.target == "/v1/chat/completions"
        assert seen.json() == chat("fake-model", temperature=0.5)
        assert seen.header("authorization") == "Bearer up"
        assert seen.header("host") == f"127.0.0.1:{upstream.port}"
        assert seen.header("x-custom") == "1"
        assert (record.status_code, record.upstream_status, record.state) == (200, 200, 4)
        assert (record.prompt_tokens, record.completion_tokens, record.total_tokens) == (2, 5, 7)
        assert (record.finish_reason, record.response_model) == ("stop", "fake-model")
        assert record.first_byte_ms is not None
        assert record.first_byte_ms <= record.duration_ms
        assert house.ledger.started[0][1] == encoded(chat(temperature=0.5))
        assert house.ledger.finished[0][1] == answer.body


async def test_a_body_that_needs_no_change_keeps_every_byte(upstream: FakeUpstream) -> None:
    body = b'{ "messages":[{"role":"user","content":"caf\\u00e9 \xc3\xa9"}] ,\n\t"model" : "fake-model", "x":1.50 }'
    async with House(model("fake-model", target(upstream.url))) as house:
        answer = await house.call(body)

    assert answer.status == 200
    assert upstream.posts[0].body == body


async def test_connections_are_kept_on_both_sides(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        for _ in range(5):
            wire.send(CHAT, encoded(chat()), bearer())
            assert (await wire.answer()).status == 200

    assert upstream.connections == 1


@pytest.mark.parametrize(
    ("path", "kept_id"),
    [("/ai/v1/embeddings", None), ("/ai/v1/completions", "cmpl-fake"), ("/ai/v1/responses", "ours")],
)
async def test_each_route_carries_the_id_in_its_own_way(
    upstream: FakeUpstream, path: str, kept_id: str | None
) -> None:
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call({"model": "m", "input": "hello there", "prompt": "hello there"}, path)
        record = await house.recorded()

    assert answer.status == 200
    ours = f"resp_{record.id}"
    assert answer.json().get("id") == (ours if kept_id == "ours" else kept_id)
    assert answer.header("x-onwards-response-id") == ours
    assert record.prompt_tokens == 2
    assert record.path == path.removeprefix("/ai")


async def test_internal_headers_of_a_client_go_nowhere(upstream: FakeUpstream) -> None:
    headers = {
        "x-onwards-response-id": "resp_mine",
        "x-fusillade-request-id": "mine",
        "x-request-id": "trace-1",
        "cookie": "a=b",
        "x-forwarded-for": "10.0.0.1",
    }
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(), headers=headers)
        record = await house.recorded()

    assert answer.header("x-onwards-response-id") == f"resp_{record.id}"
    seen = dict(upstream.posts[0].headers)
    assert not {"x-onwards-response-id", "x-fusillade-request-id", "cookie", "x-forwarded-for"} & seen.keys()
    assert seen["x-request-id"] == "trace-1"
    assert seen["x-forwarded-proto"] == "https"
    assert "authorization" not in seen


async def test_the_override_header_names_the_model_and_stays_here(upstream: FakeUpstream) -> None:
    async with House(model("a/b", target(upstream.url))) as house:
        answer = await house.call(
            {"model": "other", "messages": [{"role": "user", "content": "hi"}]},
            headers={"model-override": "a/b"},
        )
        record = await house.recorded()

    assert answer.status == 200
    assert record.model == "a/b"
    assert upstream.posts[0].json()["model"] == "fake-model"
    assert upstream.posts[0].header("model-override") is None


async def test_the_query_goes_along(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house:
        await house.call(chat(), f"{CHAT}?api-version=1&x=%20y")

    assert upstream.posts[0].target == "/v1/chat/completions?api-version=1&x=%20y"


async def test_a_refusal_has_the_envelope_an_id_and_no_row(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat("nothing"))

        assert answer.status == 404
        assert answer.json() == {
            "error": {
                "message": "The model 'nothing' does not exist.",
                "type": "invalid_request_error",
                "param": "model",
                "code": "model_not_found",
            }
        }
        assert (answer.header("x-onwards-response-id") or "").startswith("resp_")
        assert answer.header("x-request-id")
        assert house.ledger.started == []
        assert house.ledger.finished == []
    assert upstream.posts == []


async def test_no_call_is_taken_while_calls_cannot_be_recorded(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house:
        house.ledger.refusal = "the disk is full"
        answer = await house.call(chat())
        house.ledger.refusal = None

        assert answer.status == 503
        assert answer.json()["error"]["message"] == "No new calls are taken for now: the disk is full."
        assert answer.header("retry-after") == "5"
        assert (await house.call(chat())).status == 200


async def test_an_endpoint_that_cannot_be_called_is_said_to_be_one() -> None:
    bad = target("http://127.0.0.1:9/v1", auth=("authorization", "Bearer a\r\nx: y"))
    async with House(model("m", bad)) as house:
        answer = await house.call(chat())

    assert answer.status == 502
    assert answer.json()["error"]["code"] == "upstream_error"


async def test_a_changed_routing_state_counts_for_the_next_call(upstream: FakeUpstream) -> None:
    async with House(model("m", target("http://127.0.0.1:9/v1"))) as house:
        keys = house.routing.snapshot.keys
        moved = model("m", target(upstream.url))
        house.routing.snapshot = msgspec.structs.replace(
            house.routing.snapshot, version=2, keys=keys, models={"m": moved}
        )
        assert (await house.call(chat())).status == 200


async def test_http_10_clients_are_answered_in_their_way(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat()), {**bearer(), "connection": "keep-alive"}, version="1.0")
            first = await wire.answer()
            assert first.header("connection") == "keep-alive"
            wire.send(CHAT, encoded(chat(stream=True)), bearer(), version="1.0")
            stream = await wire.answer()
        assert stream.header("transfer-encoding") is None
        assert stream.header("connection") == "close"
        assert stream.body.endswith(b"data: [DONE]\n\n")


async def test_a_client_that_asks_to_close_is_told_so(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        wire.send(CHAT, encoded(chat()), {**bearer(), "connection": "close"})
        answer = await wire.answer()
        assert answer.header("connection") == "close"
        assert await wire.reader.read() == b""
    assert upstream.posts[0].header("connection") is None


@pytest.mark.parametrize("purpose", ["realtime", "batch", "playground"])
async def test_the_row_carries_who_called(upstream: FakeUpstream, purpose: Purpose) -> None:
    known = key(purpose)
    async with House(model("m", target(upstream.url)), keys={SECRET: known}) as house:
        await house.call(chat(), headers={"user-agent": "test/1"})
        record = await house.recorded()
        started = house.ledger.started[0][0]

    assert (record.owner_id, record.creator_id, record.key_id) == (known.owner_id, known.creator_id, known.id)
    assert (record.purpose, record.user_agent, record.daemon_id) == (purpose, "test/1", started.daemon_id)
    assert record.request_size == len(encoded(chat()))
    assert started.id == record.id
