"""Errors of model servers: in whose words they are told, with which status, and what is written of them."""

import msgspec
import pytest

from dwctl.core.samples import page
from dwctl.requests.record import State
from tests.fakes import shapes
from tests.fakes.answers import (
    DONE,
    KEEP_ALIVE,
    Answer,
    bad_gateway_page,
    frames,
    json_reply,
    reply,
    stream_reply,
    too_many_requests,
)
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, House, chat, model, target
from tests.gateway.provider import (
    BODY,
    COMPLETIONS,
    EMBEDDINGS,
    EVENTS,
    RESPONSES,
    SECRETS,
    STREAMED,
    WHOLE,
    failure,
    hidden,
    noisy,
    objects,
    strict,
)

MASKED = [
    (400, 400, "invalid_request_error"),
    (401, 502, "api_error"),
    (402, 502, "api_error"),
    (403, 502, "api_error"),
    (404, 404, "not_found_error"),
    (405, 405, "invalid_request_error"),
    (407, 502, "api_error"),
    (408, 504, "api_error"),
    (413, 413, "invalid_request_error"),
    (422, 422, "invalid_request_error"),
    (429, 429, "rate_limit_error"),
    (451, 502, "api_error"),
    (500, 500, "api_error"),
    (501, 501, "api_error"),
    (502, 502, "api_error"),
    (503, 503, "api_error"),
    (504, 504, "api_error"),
    (529, 529, "api_error"),
]


@pytest.mark.parametrize(("status", "told", "kind"), MASKED)
async def test_errors_are_told_in_our_words(
    upstream: FakeUpstream, status: int, told: int, kind: str
) -> None:
    upstream.push(json_reply(failure(), status=status, headers=[("x-acme", "gpu-7"), ("Retry-After", "7")]))
    async with strict(upstream) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()
        failures = page([house.metrics.part()])

    error = answer.json()["error"]
    assert (answer.status, error["type"], error["code"], error["param"]) == (told, kind, None, None)
    assert not any(secret in answer.body for secret in SECRETS)
    assert answer.header("x-acme") is None
    assert (answer.header("retry-after"), answer.header("content-type")) == ("7", "application/json")
    assert answer.header("x-onwards-response-id") == f"resp_{record.id}"
    assert house.ledger.finished[0][1] == answer.body
    assert (record.status_code, record.upstream_status, record.state) == (told, status, State.FAILED)
    assert (record.error_code, record.error_message) == ("upstream_error", error["message"])
    assert (b'failure="account"' in failures) == (status in (401, 402, 403, 407, 451))


@pytest.mark.parametrize("path", list(WHOLE))
@pytest.mark.parametrize(
    "given",
    [
        bad_gateway_page(),
        reply(b"gpu-7", status=500, headers=[("content-type", "text/plain")]),
        reply(b"data: gpu-7\n\n", status=500, headers=EVENTS),
        json_reply(failure(), status=500, compressed=True),
        reply(b"", status=500),
    ],
)
async def test_an_error_of_any_form_is_told_in_ours(upstream: FakeUpstream, path: str, given: Answer) -> None:
    upstream.push(given)
    async with strict(upstream) as house:
        answer = await house.call({"model": "m", **BODY}, path)
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
    assert answer.header("content-encoding") is None
    assert answer.header("content-type") == "application/json"
    assert answer.status in (500, 502)


@pytest.mark.parametrize("path", list(WHOLE))
@pytest.mark.parametrize("sanitized", [True, False])
async def test_a_trusted_provider_speaks_of_errors_itself(
    upstream: FakeUpstream, path: str, sanitized: bool
) -> None:
    upstream.push(json_reply(failure(), status=402, headers=[("x-acme", "1")]), too_many_requests())
    async with House(hidden(upstream, trusted=True, sanitize=sanitized), strict=not sanitized) as house:
        answer = await house.call({"model": "m", **BODY}, path)
        limited = await house.call({"model": "m", **BODY}, path)
    assert (answer.status, answer.json(), answer.header("x-acme")) == (402, failure(), "1")
    assert (limited.status, limited.header("retry-after")) == (429, "7")


async def test_one_targets_trust_is_not_anothers(upstream: FakeUpstream) -> None:
    """Nor can a client choose it: the header names a model, and the model's own target is asked."""
    safe = msgspec.structs.replace(target(upstream.url), trusted=True)
    async with House(model("safe", safe), model("other", target(upstream.url)), strict=True) as house:
        for asked, named, words in (("safe", "other", False), ("other", "safe", True)):
            upstream.push(json_reply(failure(), status=400))
            answer = await house.call(chat(asked), headers={"model-override": named})
            assert (b"gpu-7" in answer.body) is words


async def test_errors_of_our_own_are_not_masked(upstream: FakeUpstream) -> None:
    upstream.push(json_reply({}).cut(5))
    async with strict(upstream) as house:
        answer = await house.call(chat())
        unknown = await house.call(chat("nothing"))
    assert (
        answer.json()["error"]["message"] == "The model server of 'm' closed the connection before answering."
    )
    assert (unknown.status, unknown.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("code", "told", "kind"),
    [
        (None, None, "api_error"),
        ("oops", None, "api_error"),
        (429, "429", "rate_limit_error"),
        ("401", "502", "api_error"),
    ],
)
async def test_an_error_inside_a_stream_is_told_in_our_words(
    upstream: FakeUpstream, code: object, told: str | None, kind: str
) -> None:
    chunks = frames(STREAMED[CHAT], done=False)[:2]
    upstream.push(stream_reply([*chunks, *frames([{**failure(code), "choices": []}])]))
    async with strict(upstream) as house:
        answer = await house.call(chat(stream=True))
        record = await house.recorded()
    error = objects(answer.body)[-1]["error"]
    assert (error["code"], error["type"]) == (told, kind)
    assert b"gpu-7" not in answer.body
    assert (record.state, record.error_message) == (State.FAILED, error["message"])


@pytest.mark.parametrize("path", list(STREAMED))
async def test_an_error_inside_a_trusted_stream_stays(upstream: FakeUpstream, path: str) -> None:
    upstream.push(stream_reply([b": acme\n\n", *frames([failure(5)])]))
    async with strict(upstream, trusted=True) as house:
        answer = await house.call({"model": "m", **BODY, "stream": True}, path)
    assert answer.body == b"data: %b\n\n%b" % (msgspec.json.encode(failure(5)), DONE)


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("everywhere", [True, False])
async def test_errors_of_responses_are_told_by_trust(
    upstream: FakeUpstream, trusted: bool, everywhere: bool
) -> None:
    """In strict mode, and of a model whose Responses are cleaned of errors alone."""
    begun = shapes.response("fake-model", "", status="failed")
    failed = {**begun, "error": {"code": "invalid_image", "message": "gpu-7"}}
    event = {"type": "response.failed", "sequence_number": 4, "response": failed}
    error = {"type": "error", "sequence_number": 5, "code": "acme", "message": "gpu-7", "param": None}
    upstream.push(json_reply(failed), stream_reply(frames([event, error], named=True)))
    async with House(hidden(upstream, trusted=trusted), strict=everywhere) as house:
        whole = await house.call({"model": "m", **BODY}, RESPONSES)
        streamed = await house.call({"model": "m", **BODY, "stream": True}, RESPONSES)
        record = await house.recorded(2)
    assert (b"gpu-7" in whole.body) is trusted
    assert whole.json()["error"]["code"] == "invalid_image"
    assert (streamed.body.count(b"gpu-7") == 2) is trusted
    assert (b"gpu-7" in streamed.body) is trusted
    first, second = objects(streamed.body)
    assert first["response"]["error"]["code"] == "invalid_image"
    assert second.get("type", "error") == "error"
    assert ("gpu-7" in (record.error_message or "")) is trusted
    assert record.state == State.FAILED


async def test_other_streams_of_a_sanitised_model_lose_errors_alone(upstream: FakeUpstream) -> None:
    good = [KEEP_ALIVE, *frames(map(noisy, STREAMED[COMPLETIONS]), done=False)]
    upstream.push(stream_reply([*good, *frames([failure()])]))
    async with House(hidden(upstream)) as house:
        answer = await house.call({"model": "m", **BODY, "stream": True}, COMPLETIONS)
    assert answer.body.startswith(b"".join(good))
    assert objects(answer.body)[-1]["error"]["code"] == "internal_error"
    assert answer.body.endswith(DONE)


@pytest.mark.parametrize(("status", "told", "kind"), MASKED)
async def test_errors_of_a_sanitised_model_have_codes(
    upstream: FakeUpstream, status: int, told: int, kind: str
) -> None:
    upstream.push(json_reply(failure(), status=status))
    async with House(hidden(upstream)) as house:
        answer = await house.call({"model": "m", **BODY}, EMBEDDINGS)
    error = answer.json()["error"]
    expected = (
        ("upstream_error", "invalid_request_error") if told < 500 else ("internal_error", "server_error")
    )
    assert (answer.status, error["code"], error["type"]) == (told, *expected)
    assert not any(secret in answer.body for secret in SECRETS)


async def test_no_bodies_are_logged(upstream: FakeUpstream, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    upstream.push(
        json_reply(failure(), status=403),
        json_reply(noisy({})),
        stream_reply([b'data: {"acme":"gpu-7"}\n\n']),
        json_reply(noisy(WHOLE[CHAT])),
    )
    async with strict(upstream) as house:
        for body in (chat(), chat(), chat(stream=True), chat(user="gpu-7"), chat(user=["gpu-7"])):
            await house.call(body)
    assert "m: the endpoint fake refused this gateway's account or credential: it answered 403" in caplog.text
    assert "m: the endpoint fake gave an answer that cannot be read" in caplog.text
    assert not any(word in caplog.text for word in ("gpu-7", "acme", "Say hello"))
