"""Which model a call is for (spec/gateway A1.2), and bodies that do not say it clearly."""

import msgspec
import pytest

from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import House, chat, model, target

MISSING = "Missing required parameter: 'model'. Send it in the body, or in the header 'model-override'."
NO_OBJECT = "The body must be a JSON object with the field 'model'."
REST = b'"messages":[{"role":"user","content":"Say hello."}]'


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a\\/b",%b}' % REST,
        b'{"mod\\u0065l":"a/b",%b}' % REST,
        b'{%b,"model":"a/b"}' % REST,
        b' \n{ "model"\t:\r\n"a/b" , %b } ' % REST,
        b'{"metadata":{"model":"other"},"model":"a/b",%b}' % REST,
        b'{"model":"\\u0061/b",%b}' % REST,
    ],
)
async def test_however_the_name_is_written_it_is_replaced_and_nothing_else(
    upstream: FakeUpstream, body: bytes
) -> None:
    async with House(model("a/b", target(upstream.url))) as house:
        assert (await house.call(body)).status == 200
        assert (await house.recorded()).model == "a/b"

    sent = upstream.posts[0].json()
    assert sent == {**msgspec.json.decode(body), "model": "fake-model"}


@pytest.mark.parametrize("alias", ["M", "m ", " m", "m*", "m/", ""])
async def test_names_are_compared_exactly(upstream: FakeUpstream, alias: str) -> None:
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(chat(alias))

    assert answer.status == (404 if alias else 400)


@pytest.mark.parametrize(
    ("body", "param", "text"),
    [
        (b"{}", "model", MISSING),
        (b'{"model":null}', "model", MISSING),
        (b'{"model":""}', "model", MISSING),
        (b'{"model":1}', "model", "Invalid type for 'model': expected a string, but got a number."),
        (b'{"model":["m"]}', "model", "Invalid type for 'model': expected a string, but got an array."),
        (b'{"model":"m\\u0000"}', "model", "Invalid 'model': a name cannot contain the character U+0000."),
        (b'{"model":"m","model":"n"}', "model", "The field 'model' stands in the body twice; send it once."),
        (
            b'{"model":"m","\\u006dodel":"m"}',
            "model",
            "The field 'model' stands in the body twice; send it once.",
        ),
        (
            b'{"model":"m","stream":true,"stream":false}',
            "stream",
            "The field 'stream' stands in the body twice; send it once.",
        ),
        (
            b'{"model":"m","stream_options":{},"stream_options":{}}',
            "stream_options",
            "The field 'stream_options' stands in the body twice; send it once.",
        ),
        (
            b'{"model":"m","stream":"yes"}',
            "stream",
            "Invalid type for 'stream': expected a boolean, but got a string.",
        ),
        (
            b'{"model":"m","stream_options":[]}',
            "stream_options",
            "Invalid type for 'stream_options': expected an object, but got an array.",
        ),
        (
            b'{"model":"m","stream_options":{"include_usage":1}}',
            "stream_options.include_usage",
            "Invalid type for 'stream_options.include_usage': expected a boolean, but got a number.",
        ),
        (b"[]", None, NO_OBJECT),
        (b'"m"', None, NO_OBJECT),
        (b"{", None, "The body is not valid JSON; send a JSON object with the field 'model'."),
        (b'{"model":"m"} x', None, "The body is not valid JSON; send a JSON object with the field 'model'."),
        (b'{"model":"\xff"}', None, "The body is not valid JSON; send a JSON object with the field 'model'."),
        (b" ", None, "The body is empty; send a JSON object with the field 'model'."),
        (b'{"a":' * 20_000, None, "The body is nested too deeply."),
    ],
)
async def test_what_is_not_clear_is_400_and_no_call(
    upstream: FakeUpstream, body: bytes, param: str | None, text: str
) -> None:
    async with House(model("m", target(upstream.url))) as house:
        answer = await house.call(body)
        assert answer.status == 400
        error = answer.json()["error"]
        assert (error["message"], error["param"]) == (text, param)
        assert house.ledger.started == []
    assert upstream.posts == []


async def test_the_override_goes_before_a_body_without_a_model(upstream: FakeUpstream) -> None:
    body = b"{%b}" % REST
    async with House(model("m", target(upstream.url))) as house:
        assert (await house.call(body, headers={"model-override": "m"})).status == 200
        refused = await house.call(chat(), headers={"model-override": "other"})

    assert upstream.posts[0].json() == {"model": "fake-model", **msgspec.json.decode(body)}
    assert refused.status == 404


async def test_repeated_keys_that_nobody_decides_on_pass_as_they_came(upstream: FakeUpstream) -> None:
    body = b'{"model":"fake-model","x":1,"x":2,%b}' % REST
    async with House(model("fake-model", target(upstream.url))) as house:
        assert (await house.call(body)).status == 200

    assert upstream.posts[0].body == body
