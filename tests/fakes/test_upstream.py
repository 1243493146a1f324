"""The fake upstream keeps its word: what it says it does on the wire, a plain socket sees."""

import asyncio
import contextlib
import gzip
import signal
import ssl
import sys
from collections.abc import AsyncIterator

import httpx
import msgspec
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.fakes import shapes
from tests.fakes.answers import (
    CLOSED,
    CONTINUE,
    DONE,
    EARLY_HINTS,
    GARBAGE,
    HANG,
    KEEP_ALIVE,
    RESET,
    Framing,
    bad_gateway_page,
    frames,
    json_reply,
    rechunked,
    reply,
    stream_reply,
    too_many_requests,
)
from tests.fakes.certificates import Certificate
from tests.fakes.incoming import Malformed
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.upstream import FakeUpstream, upstream_in_thread

POST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: up\r\ncontent-type: application/json\r\n"
    b"content-length: 2\r\n\r\n{}"
)
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello to me"}]
CHAT = {"model": MODEL, "messages": MESSAGES}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as running:
        yield running


@contextlib.asynccontextmanager
async def connection(
    upstream: FakeUpstream,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(upstream.host, upstream.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def raw(upstream: FakeUpstream, request: bytes = POST) -> bytes:
    """Everything that the upstream sends until it closes."""
    async with connection(upstream) as (reader, writer), asyncio.timeout(5):
        writer.write(request)
        return await reader.read()


@pytest.fixture
async def client(upstream: FakeUpstream) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=upstream.url, timeout=5, trust_env=False) as made:
        yield made


@pytest.fixture
async def sdk(upstream: FakeUpstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=upstream.url, api_key="sk-any", max_retries=0) as made:
        yield made


async def test_chat_is_what_the_sdk_expects(upstream: FakeUpstream, sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert answer.choices[0].message.content == "Hello from the fake model."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 5)
    (seen,) = upstream.requests
    assert (seen.method, seen.path, seen.connection) == ("POST", "/v1/chat/completions", 1)
    assert seen.json() == CHAT
    assert seen.header("authorization") == "Bearer sk-any"
    assert seen.answered
    assert not seen.left_early


async def test_max_tokens_cut_the_answer(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(model=MODEL, messages=MESSAGES, max_completion_tokens=2)
    assert answer.choices[0].message.content == "Hello from"
    assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize("asked", [True, False])
async def test_stream_has_usage_only_when_asked(sdk: openai.AsyncOpenAI, asked: bool) -> None:
    stream = await sdk.chat.completions.create(
        model=MODEL,
        messages=MESSAGES,
        stream=True,
        stream_options={"include_usage": True} if asked else openai.omit,
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Hello from the fake model."
    counted = [chunk.usage.completion_tokens for chunk in chunks if chunk.usage]
    assert counted == ([5] if asked else [])
    assert (chunks[-1].choices == []) is asked


async def test_stream_like_transformers_serve(upstream: FakeUpstream, client: httpx.AsyncClient) -> None:
    upstream.respond = ModelServer(usage_on_finish=True, done=False)
    answer = await client.post("/chat/completions", json={**CHAT, "stream": True})
    events = answer.text.strip().split("\n\n")
    assert "[DONE]" not in answer.text
    last = msgspec.json.decode(events[-1].removeprefix("data: "))
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"]["completion_tokens"] == 5


async def test_embeddings_and_models(sdk: openai.AsyncOpenAI) -> None:
    # The SDK asks for base64; asking for floats must give the same numbers.
    packed = await sdk.embeddings.create(model=MODEL, input=["one", "two words"])
    plain = await sdk.embeddings.create(model=MODEL, input=["one", "two words"], encoding_format="float")
    assert [item.embedding for item in packed.data] == [
        pytest.approx(item.embedding, abs=1e-6) for item in plain.data
    ]
    assert packed.data[0].embedding != packed.data[1].embedding
    assert packed.usage.prompt_tokens == 3
    assert [model.id async for model in sdk.models.list()] == [MODEL]


async def test_responses_whole_and_streamed(sdk: openai.AsyncOpenAI, client: httpx.AsyncClient) -> None:
    whole = await sdk.responses.create(model=MODEL, input="Say hello")
    assert whole.output_text == "Hello from the fake model."
    stream = await sdk.responses.create(model=MODEL, input="Say hello", stream=True)
    events = [event async for event in stream]
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    lines = (await client.post("/responses", json={"model": MODEL, "stream": True})).text.split("\n")
    assert lines[0] == "event: response.created"
    assert lines[-3:] == ["data: [DONE]", "", ""]


async def test_wrong_key_unknown_model_and_route(upstream: FakeUpstream, client: httpx.AsyncClient) -> None:
    upstream.respond = ModelServer(key="secret", key_header="api-key")
    assert (await client.get("/models")).status_code == 401
    named = {"api-key": "secret"}
    assert (await client.get("/models", headers=named)).status_code == 200
    unknown = await client.post("/chat/completions", json={**CHAT, "model": "none"}, headers=named)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert (await client.post("/nowhere", headers=named)).status_code == 404


async def test_a_script_answers_posts_in_order(upstream: FakeUpstream, client: httpx.AsyncClient) -> None:
    upstream.push(too_many_requests("3"), lambda seen: json_reply({"path": seen.path}), bad_gateway_page())
    assert (await client.get("/models")).status_code == 200  # a look-up takes nothing from the script
    limited = await client.post("/chat/completions", json={})
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "3")
    assert (await client.post("/chat/completions", json={})).json() == {"path": "/v1/chat/completions"}
    page = await client.post("/chat/completions", json={})
    assert (page.status_code, page.headers["content-type"]) == (502, "text/html")
    assert len(upstream.posts) == 3
    assert {seen.connection for seen in upstream.requests} == {1}


async def test_endings_in_place_of_an_answer(upstream: FakeUpstream) -> None:
    upstream.push(CLOSED, GARBAGE)
    assert await raw(upstream) == b""
    assert (await raw(upstream)).startswith(b"\x16\x03\x01")
    upstream.push(RESET)
    with pytest.raises(ConnectionResetError):
        await raw(upstream)


async def test_hanging_until_the_client_leaves(upstream: FakeUpstream) -> None:
    upstream.push(HANG)
    async with connection(upstream) as (_, writer):
        writer.write(POST)
        (seen,) = await upstream.wait_for(1)
        assert not seen.left_early
    await upstream.wait_until(lambda: seen.left_early, "the departure is noticed")
    assert not seen.answered


async def test_leaving_between_chunks_is_noticed(upstream: FakeUpstream) -> None:
    upstream.push(stream_reply(frames([{"n": n} for n in range(1000)]), gap=0.01))
    async with connection(upstream) as (reader, writer):
        writer.write(POST)
        await reader.readuntil(b'{"n":3}')
    (seen,) = upstream.requests
    await upstream.wait_until(lambda: seen.left_early, "the departure is noticed")


async def test_cuts_at_a_byte(upstream: FakeUpstream) -> None:
    whole = json_reply({"answer": "x" * 50})
    upstream.push(whole.cut(-10), whole.cut(20), whole.closing())
    complete = b"".join(step for step in whole.steps if isinstance(step, bytes))
    assert await raw(upstream) == complete[:-10]
    assert await raw(upstream) == complete[:20]
    assert await raw(upstream) == complete


async def test_wrong_content_length(upstream: FakeUpstream, client: httpx.AsyncClient) -> None:
    upstream.push(reply(b"short", content_length=50).closing())
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post("/chat/completions", json={})


async def test_chunks_split_anywhere_and_trailers(upstream: FakeUpstream, client: httpx.AsyncClient) -> None:
    text = 'data: {"a":"häé\U0001f600"}\r\n\r\n'.encode()
    every_byte = rechunked(text, *range(1, len(text)))
    assert b"".join(every_byte) == text
    upstream.push(
        stream_reply(every_byte, trailers=[("x-checked", "yes")]).in_pieces(1),
        reply(rechunked(text, 3), framing=Framing.UNTIL_CLOSE),
        reply(text).after(CONTINUE, EARLY_HINTS).delayed(0.01).joined(),
    )
    for _ in range(3):
        assert (await client.post("/chat/completions", json={})).content == text
    wire = stream_reply([b"one"], trailers=[("x-checked", "yes")])
    assert wire.steps[-1] == b"0\r\nx-checked: yes\r\n\r\n"


async def test_compressed_huge_head_and_crlf_events(
    upstream: FakeUpstream, client: httpx.AsyncClient
) -> None:
    upstream.push(
        json_reply({"a": 1}, compressed=True),
        json_reply({"a": 1}, headers=[("x-padding", "p" * 60_000)]),
        stream_reply([KEEP_ALIVE, *frames([{"type": "t"}], named=True, line_end=b"\r\n")]),
    )
    plain = await client.post("/chat/completions", json={}, headers={"accept-encoding": "gzip"})
    assert (plain.headers["content-encoding"], plain.json()) == ("gzip", {"a": 1})
    assert len((await client.post("/chat/completions", json={})).headers["x-padding"]) == 60_000
    events = await client.post("/chat/completions", json={})
    end = DONE.replace(b"\n", b"\r\n")
    assert events.content == KEEP_ALIVE + b'event: t\r\ndata: {"type":"t"}\r\n\r\n' + end


async def test_kept_alive_connections_end_when_told() -> None:
    async with FakeUpstream() as upstream, connection(upstream) as (reader, writer):
        writer.write(b"GET /v1/models HTTP/1.1\r\nhost: up\r\n\r\n")
        await reader.readuntil(b"}]}")
        assert upstream.open_connections == 1
        upstream.close_idle()
        assert await reader.read() == b""
    async with FakeUpstream(idle_close=0.05) as upstream:
        head, _, _ = (await raw(upstream, b"GET /v1/models HTTP/1.1\r\nhost: up\r\n\r\n")).partition(b"\r\n")
        assert head == b"HTTP/1.1 200 OK"


async def test_chunked_and_expecting_requests_are_read(upstream: FakeUpstream) -> None:
    upstream.push(json_reply({}).closing(), json_reply({}).closing())
    target = b"POST /v1/chat/completions?a=b HTTP/1.1\r\nHost: up\r\n"
    await raw(
        upstream, target + b'transfer-encoding: chunked\r\n\r\n2;x=y\r\n{"\r\n1\r\n}\r\n0\r\nt: u\r\n\r\n'
    )
    answer = await raw(upstream, target + b"expect: 100-continue\r\ncontent-length: 1\r\n\r\n1")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert [seen.body for seen in upstream.requests] == [b'{"}', b"1"]
    assert upstream.requests[0].target == "/v1/chat/completions?a=b"
    assert upstream.requests[0].path == "/v1/chat/completions"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /v1/models HTTP/1.1\r\n\r\n",
        b"GET /v1/models HTTP/1.0\r\nhost: up\r\n\r\n",
        b"GET http://up/v1/models HTTP/1.1\r\nhost: up\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: up\r\nbad name: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: up\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1",
        b"POST / HTTP/1.1\r\nhost: up\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: up\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_a_client_does_wrong_fails_the_test(request_bytes: bytes) -> None:
    upstream = FakeUpstream()
    await upstream.start()
    await raw(upstream, request_bytes)
    await upstream.stop()
    assert [type(error) for error in upstream.failures] == [Malformed]


async def test_same_port_after_a_restart(upstream: FakeUpstream) -> None:
    before = upstream.port
    await upstream.stop()
    with pytest.raises(ConnectionRefusedError):
        await raw(upstream)
    await upstream.start()
    assert upstream.port == before
    upstream.push(json_reply({}).closing())
    assert (await raw(upstream)).endswith(b"{}")


async def test_waiting_in_vain_says_what_came(upstream: FakeUpstream) -> None:
    upstream.push(json_reply({}).closing())
    await raw(upstream)
    with pytest.raises(AssertionError, match=r"2 requests have come.*POST /v1/chat/completions"):
        await upstream.wait_for(2, deadline=0.05)


def test_over_tls_in_a_thread() -> None:
    certificate = Certificate()
    with upstream_in_thread(certificate=certificate) as upstream:
        assert upstream.url.startswith("https://127.0.0.1:")
        with httpx.Client(verify=certificate.client_context(), trust_env=False) as client:
            answer = client.post(f"{upstream.url}/chat/completions", json=CHAT)
            assert answer.json()["choices"][0]["message"]["content"] == "Hello from the fake model."
            upstream.wait_until(lambda: upstream.posts[0].answered, "the answer is out")
        # Another certificate is not trusted.
        with (
            httpx.Client(verify=Certificate().client_context(), trust_env=False) as client,
            pytest.raises(httpx.ConnectError, match="certificate verify failed"),
        ):
            client.get(f"{upstream.url}/models")
    assert isinstance(certificate.server_context(), ssl.SSLContext)


async def test_as_a_command() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fakes.upstream",
        "--model",
        "a",
        "--key",
        "k",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            url = (await process.stdout.readline()).decode().strip()
        async with httpx.AsyncClient(trust_env=False, headers={"authorization": "Bearer k"}) as client:
            listed = (await client.get(f"{url}/models")).json()
        assert listed == shapes.models(["a"])
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


def test_gzip_reply_is_gzip() -> None:
    body = json_reply({"a": 1}, compressed=True).steps[1]
    assert isinstance(body, bytes)
    assert gzip.decompress(body) == b'{"a":1}'
