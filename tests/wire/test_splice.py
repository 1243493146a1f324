"""Setting a member in raw bytes does what parsing, changing and serialising does, and touches nothing else."""

import json

import msgspec
import pytest
from hypothesis import given

from dwctl.wire.splice import Member
from tests.wire.texts import members_of, objects

MODEL = Member("model")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"a"}', b'{"model":"new"}'),
        (b' {\n"model" : "a" , "x": 1.0}', b' {\n"model" : "new" , "x": 1.0}'),
        (b'{"x":{"y":[1, 2]},"model":"a\\"b\\\\"}', b'{"x":{"y":[1, 2]},"model":"new"}'),
        (
            b'{"messages":["\\"model\\":\\"z\\""],"model":"a"}',
            b'{"messages":["\\"model\\":\\"z\\""],"model":"new"}',
        ),
        (b'{"tools":[{"model":"t"}],"model":"a"}', b'{"tools":[{"model":"t"}],"model":"new"}'),
        (b'{"x":"a \\"model","model":"a"}', b'{"x":"a \\"model","model":"new"}'),
        (b'{"x":1}', b'{"model":"new","x":1}'),
        (b" { } ", b' {"model":"new" } '),
        (b'{"model":null,"x":1}', b'{"model":"new","x":1}'),
        (b'{"mod\\u0065l":"a","x":1}', b'{"model":"new","x":1}'),
        (b'{"model":"new"}', b'{"model":"new"}'),
        (b"[1]", b"[1]"),
        (b'"model"', b'"model"'),
        (b"not json", b"not json"),
        (b'{"a":"\xff"', b'{"a":"\xff"'),
        (b"", b""),
    ],
)
def test_examples(body: bytes, expected: bytes) -> None:
    assert MODEL.set(body, b'"new"') == expected


def test_what_is_nested_too_deeply_stays_as_it_is() -> None:
    body = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert MODEL.set(body, b'"new"') == body


@given(objects("model", "id"))
def test_it_is_parse_change_serialise(case: tuple[str, list[tuple[str, object]]]) -> None:
    text, members = case
    changed = MODEL.set(text.encode(), b'"new"')

    assert dict(members_of(changed)) == {**dict(members), "model": "new"}
    assert len(members_of(changed)) == len({*dict(members), "model"})


def test_a_key_that_stands_there_again_is_one_member_afterwards() -> None:
    for again in (b'"model":null', b'"mod\\u0065l":"b"'):
        assert json.loads(MODEL.set(b'{"model":"a",%b}' % again, b'"new"')) == {"model": "new"}


@given(objects("model", "id", repeats=True))
def test_repeated_keys_keep_their_meaning(case: tuple[str, list[tuple[str, object]]]) -> None:
    text, members = case
    changed = MODEL.set(text.encode(), b'"new"')

    assert json.loads(changed) == {**dict(members), "model": "new"}


@given(objects("model", "id"))
def test_every_other_value_keeps_its_bytes(case: tuple[str, list[tuple[str, object]]]) -> None:
    text, _ = case
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    before = {name: bytes(raw) for name, raw in decoder.decode(text).items()}
    after = {name: bytes(raw) for name, raw in decoder.decode(MODEL.set(text.encode(), b'"new"')).items()}

    assert after == {**before, "model": b'"new"'}


@given(objects("id"))
def test_appending_adds_a_last_member(case: tuple[str, list[tuple[str, object]]]) -> None:
    text, members = case
    if members and "model" not in dict(members):
        changed = MODEL.append(text.encode(), b"[1]")
        assert members_of(changed) == [*members_of(text), ("model", [1])]
