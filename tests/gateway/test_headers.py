"""What of a head goes to the model server and what of its answer's to the client (spec/gateway A1.9, A1.10)."""

from typing import Any

import pytest

from dwctl.gateway.prepare import join_path
from dwctl.gateway.settings import GatewaySettings
from tests.fakes.answers import json_reply
from tests.fakes.model import ModelServer
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, SECRET, House, bearer, chat, encoded, model, target

DROPPED = {
    "hop by hop": ["keep-alive", "proxy-connection", "te", "trailer", "upgrade", "proxy-authorization"],
    "credentials": ["x-api-key", "api-key", "cookie"],
    "a browser's": [
        *("origin", "referer", "sec-fetch-mode", "sec-fetch-site", "sec-ch-ua", "sec-ch-ua-mobile"),
        *("sec-ch-ua-platform", "sec-ch-ua-full-version-list", "sec-websocket-key"),
    ],
    "conditions": ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"],
    "who stood between": [
        *("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-real-ip"),
        *("cf-connecting-ip", "cf-ray", "true-client-ip"),
    ],
    "ours": ["x-fusillade-stream", "x-onwards-model", "x-dwctl-anything"],
}
KEPT = {
    "user-agent": "sdk/1",
    "accept": "text/event-stream",
    "anthropic-version": "2023-06-01",
    "openai-organization": "org",
    "openai-beta": "assistants=v2",
    "x-stainless-lang": "python",
    "idempotency-key": "k1",
    "x-custom": 'a, b; c="d"',
    "x-latin": "caf\xe9",
}


@pytest.mark.parametrize("group", DROPPED)
async def test_what_is_no_business_of_a_model_server_stays_here(upstream: FakeUpstream, group: str) -> None:
    given = dict.fromkeys(DROPPED[group], "x")
    async with House(model("m", target(upstream.url))) as house:
        assert (await house.call(chat(), headers=given)).status == 200

    assert not given.keys() & dict(upstream.posts[0].headers).keys()


async def test_everything_else_is_kept_as_it_came(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        lines = [f"{name}: {value}" for name, value in {**bearer(), **KEPT}.items()]
        body = encoded(chat())
        head = [f"POST {CHAT} HTTP/1.1", "host: x", *lines, f"content-length: {len(body)}", "", ""]
        wire.writer.write("\r\n".join(head).encode("latin-1") + body)
        assert (await wire.answer()).status == 200

    seen = dict(upstream.posts[0].headers)
    assert {name: seen.get(name) for name in KEPT} == KEPT


async def test_of_all_that_a_browser_says_the_model_server_hears_what_it_needs(
    upstream: FakeUpstream,
) -> None:
    groups = ("hop by hop", "a browser's", "conditions", "who stood between")
    said = {name: "x" for group in groups for name in DROPPED[group]} | {
        "user-agent": "Mozilla/5.0",
        "accept": "*/*",
        "accept-language": "en",
        "content-type": "application/json",
        "cookie": "session=1",
        "sec-ch-ua-arch": '"x86"',
        "sec-ch-ua-bitness": '"64"',
        "sec-ch-ua-model": '""',
        "sec-ch-prefers-color-scheme": "dark",
        "sec-fetch-dest": "empty",
        "sec-fetch-user": "?1",
        "sec-gpc": "1",
        "model-override": "m",
    }
    del said["upgrade"]
    async with House(model("m", target(upstream.url))) as house:
        assert (await house.call(chat("other"), headers=said)).status == 200

    seen = dict(upstream.posts[0].headers)
    ours = {"host", "content-length", "content-type", "accept-encoding", "x-forwarded-proto"}
    assert seen.keys() - ours == {"user-agent", "accept", "accept-language"}
    assert seen["accept-language"] == "en"


async def test_a_connection_field_takes_what_it_names_with_it(upstream: FakeUpstream) -> None:
    async with House(model("m", target(upstream.url))) as house:
        await house.call(chat(), headers={"connection": "keep-alive, X-Hop", "x-hop": "1", "x-stays": "1"})

    seen = dict(upstream.posts[0].headers)
    assert ("x-hop" in seen, seen["x-stays"], "connection" in seen) == (False, "1", False)


async def test_what_is_set_for_the_model_server(upstream: FakeUpstream) -> None:
    """Whatever the client says of these: the answer has to be readable, and what is sent is JSON of this length."""
    said = {"accept-encoding": "gzip, br", "content-type": "text/plain", "x-forwarded-proto": "http"}
    async with House(model("m", target(upstream.url))) as house:
        await house.call(chat(), headers=said)

    seen = upstream.posts[0]
    assert seen.header("accept-encoding") == "identity"
    assert seen.header("content-type") == "application/json"
    assert seen.header("x-forwarded-proto") == "https"
    assert seen.header("host") == f"127.0.0.1:{upstream.port}"
    assert seen.header("content-length") == str(len(seen.body))


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        (None, {}),
        (("Authorization", "Bearer up"), {"authorization": "Bearer up"}),
        (("X-API-Key", "up"), {"x-api-key": "up"}),
        (("Authorization", "Token up"), {"authorization": "Token up"}),
    ],
)
async def test_the_endpoints_credential_and_never_the_clients(
    upstream: FakeUpstream, auth: tuple[str, str] | None, expected: dict[str, str]
) -> None:
    async with House(model("m", target(upstream.url, auth=auth))) as house:
        await house.call(chat(), headers={"x-api-key": "client", "api-key": "client"})

    seen = dict(upstream.posts[0].headers)
    credentials = {name: seen[name] for name in ("authorization", "x-api-key", "api-key") if name in seen}
    assert credentials == expected
    assert SECRET not in str(upstream.posts[0].headers)


@pytest.mark.parametrize(
    ("base", "path", "joined"),
    [
        ("http://h", "/v1/embeddings", "/v1/embeddings"),
        ("http://h/", "/v1/embeddings", "/v1/embeddings"),
        ("http://h/v1", "/v1/embeddings", "/v1/embeddings"),
        ("http://h/v1/", "/v1/embeddings", "/v1/embeddings"),
        ("http://h/api/v1/", "/v1/chat/completions", "/api/v1/chat/completions"),
        ("http://h/api", "/v1/embeddings", "/api/v1/embeddings"),
        # Look-alikes are other segments.
        ("http://h/v10", "/v1/embeddings", "/v10/v1/embeddings"),
        ("http://h/api/v1", "/v10/embeddings", "/api/v1/v10/embeddings"),
        ("http://h/xv1", "/v1/embeddings", "/xv1/v1/embeddings"),
        ("http://h/v1/chat", "/v1/chat/completions", "/v1/chat/completions"),
        ("http://h/v1/v1", "/v1/embeddings", "/v1/v1/embeddings"),
    ],
)
def test_paths_join_where_whole_segments_meet(base: str, path: str, joined: str) -> None:
    assert join_path(base, path) == joined


async def test_what_of_an_answers_head_goes_on(upstream: FakeUpstream) -> None:
    passed = [
        ("openai-processing-ms", "12"),
        ("x-vendor", "a"),
        ("cache-control", "no-store"),
        ("x-vendor", "b"),
    ]
    held = [
        *(
            ("server", "s"),
            ("set-cookie", "a=b"),
            ("via", "p"),
            ("alt-svc", "h3"),
            ("keep-alive", "timeout=5"),
        ),
        *(("x-ratelimit-remaining", "3"), ("x-request-id", "theirs"), ("x-onwards-response-id", "theirs")),
        *(("access-control-allow-origin", "*"), ("strict-transport-security", "max-age=1"), ("cf-ray", "1")),
    ]
    value: dict[str, Any] = {"id": "x", "choices": []}
    upstream.push(json_reply(value, status=418, headers=[*passed, *held]))
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat())

    assert answer.status == 418
    assert [pair for pair in answer.headers if pair in passed] == passed
    assert not [pair for pair in answer.headers if pair in held]


async def test_the_overhead_is_told_unless_it_is_turned_off(upstream: FakeUpstream) -> None:
    for told in (True, False):
        settings = GatewaySettings(overhead_header=told)
        async with House(model("m", target(upstream.url)), settings=settings) as house:
            for body in (chat(), chat(stream=True)):
                answer = await house.call(body)
                assert (answer.header("x-dwctl-overhead-ms") is not None) is told


@pytest.mark.parametrize("path", ["/ai/v1/responses", "/ai/v1/embeddings"])
async def test_usage_is_asked_for_where_streams_have_such_an_option(
    upstream: FakeUpstream, path: str
) -> None:
    body = {"model": "fake-model", "input": "hello", "stream": True}
    async with House(model("fake-model", target(upstream.url))) as house:
        await house.call(body, path)
        await house.call(chat("fake-model"))
        await house.call(chat("fake-model", stream=False))

    assert [seen.json() for seen in upstream.posts] == [
        body,
        chat("fake-model"),
        chat("fake-model", stream=False),
    ]


async def test_other_methods_and_paths_are_not_the_gateways(upstream: FakeUpstream) -> None:
    upstream.forget(ModelServer())
    async with House(model("m", target(upstream.url))) as house:
        assert (await house.get(CHAT)).status == 404
        for path in ("/ai/v1/chat/completions/", "/ai/v1/unknown", "/v1/chat/completions"):
            assert (await house.call(chat(), path)).status == 404
    assert upstream.posts == []
