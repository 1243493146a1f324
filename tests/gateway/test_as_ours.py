"""A reply with our id, and what it says of itself, read in one pass: as by setting the id and reading it then."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.gateway.reply import as_ours, with_id
from dwctl.usage.meter import of_reply
from tests.wire.texts import members_of, objects

IDENT = b"0199e1c2-5f6a-7b3c-8d4e-5f60718293a4"
OURS = f"resp_{IDENT.decode()}"
USAGE = b'"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}'


def both(body: bytes) -> bytes:
    """The reply as our client gets it, held against the two steps."""
    changed, metered = as_ours(body, IDENT)
    assert changed == with_id(body, b'"%b"' % OURS.encode())
    assert metered == of_reply(body)
    return changed


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"a","model":"m",%b}',
        b'{"id":"","model":"m",%b}',
        b'{"id":"a","choices":[{"id":"b","message":{"content":"say \\"id\\":\\"c\\""},"finish_reason":"stop"}],%b}',
        b'{"id":"a\\"b","model":"m",%b}',
        b'{"id":"a\\\\","model":"m",%b}',
        b'{"id":"\\u0061","model":"m",%b}',
        b'{"id":"a","id":"b",%b}',
        b'{"id":"a","i\\u0064":"b",%b}',
        b'{"id":"a","id":7,%b}',
        b'{"id":"a","id":null,%b}',
        b' {"id":"a",%b}',
        b'{ "id" : "a",%b}',
        b'{"model":"m","id":"a",%b}',
        b'{"id":7,%b}',
        b'{"id":null,%b}',
        b"{%b}",
        b'{"id":"a","model":7,%b}',
        b'{"id":"a","usage":{"input_tokens":1},"error":{"message":"no"},"x":{%b}}',
        b'{"id":"a","response":{"id":"b",%b}}',
        b'{"id":"a',
        b'{"id":"a"',
        b'{"id":"a",',
        b'{"id":"a\\",":1,":"x",%b}',
        b'{"id":"a"}{%b}',
        b"[%b]",
        b"",
        b"{}",
    ],
)
def test_examples(body: bytes) -> None:
    both(body % USAGE if b"%b" in body else body)


@given(objects("id", "model", "usage", "choices"))
def test_any_object(case: tuple[str, list[tuple[str, object]]]) -> None:
    both(case[0].encode())


@given(st.text(max_size=12), objects("id", "model"))
def test_any_id_that_stands_first(ident: str, case: tuple[str, list[tuple[str, object]]]) -> None:
    rest = case[0].strip()
    for quoted in (json.dumps(ident), json.dumps(ident, ensure_ascii=False)):
        for body in ('{"id":' + quoted + "}", '{"id":' + quoted + "," + rest[1:].lstrip()):
            data = body.encode(errors="replace")
            try:
                json.loads(data)
            except ValueError:
                # An empty object behind a comma.
                continue
            assert dict(members_of(both(data)))["id"] == OURS
