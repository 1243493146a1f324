"""A summary opens for its account, here, as it was sealed; everything else is refused or left alone."""

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.seal import Seal, SealError
from dwctl.wire.compaction import INTRODUCTION, MARK, Compactions
from dwctl.wire.errors import Refused

SECRET = "a secret key of this installation"
HERE = Compactions(SECRET)
TEXT = st.text(st.characters(codec="utf-8"))
ACCOUNTS = st.uuids().map(str)


def item(content: str) -> dict[str, Any]:
    return {"type": "compaction", "encrypted_content": content}


def body(*items: Any) -> bytes:
    return msgspec.json.encode({"model": "m", "input": items})


@given(ACCOUNTS, TEXT)
def test_it_opens_as_it_was_sealed(account: str, text: str) -> None:
    sealed = item(HERE.sealed(account, text))
    given = body({"role": "user", "content": "before"}, sealed, "after")
    assert MARK in given
    before, opened, after = msgspec.json.decode(HERE.opened(given, account))["input"]
    assert (before, after) == ({"role": "user", "content": "before"}, "after")
    assert opened == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": INTRODUCTION + text}],
    }


@given(ACCOUNTS, ACCOUNTS, TEXT)
def test_only_for_its_account(mine: str, other: str, text: str) -> None:
    if mine != other:
        with pytest.raises(SealError):
            HERE.text_of(HERE.sealed(mine, text), other)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_of_it_can_be_changed(place: int, change: int) -> None:
    sealed = bytearray(base64.urlsafe_b64decode(HERE.sealed("a", "text").removeprefix("dwc1.")))
    sealed[place % len(sealed)] ^= change
    given = body(item("dwc1." + base64.urlsafe_b64encode(sealed).decode()))
    with pytest.raises(Refused) as caught:
        HERE.opened(given, "a")
    assert caught.value.problem.param == "input[0].encrypted_content"


@given(TEXT)
def test_what_was_never_sealed_is_refused(content: str) -> None:
    with pytest.raises(Refused):
        HERE.opened_item(item(f"dwc1.{content}"), "a", "input[0]")


def test_another_installation_and_another_purpose_do_not_open_it() -> None:
    sealed = HERE.sealed("a", "text")
    with pytest.raises(SealError):
        Compactions("another secret key, of another one").text_of(sealed, "a")
    with pytest.raises(SealError):
        Seal(SECRET).open(base64.urlsafe_b64decode(sealed.removeprefix("dwc1.")))


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"[]",
        b"not json",
        b'{"input":"dwc1."}',
        b'{"input":["dwc1."]}',
        b'{"input":[{"type":"compaction","encrypted_content":"theirs"}]}',
        b'{"input":[{"type":"message","content":"dwc1.x"}]}',
        b'{"input":{"type":"compaction"}}',
        b'{"input":[{"type":"compaction"}]}',
    ],
)
def test_everything_else_is_left_alone(given: bytes) -> None:
    opened = HERE.opened(given, "a")
    assert opened == given or msgspec.json.decode(opened) == msgspec.json.decode(given)


def test_other_items_stay_byte_by_byte() -> None:
    odd = b'{"role" : "user",  "content":1e2}'
    given = b'{"model":"m","input":[%b,%b]}' % (odd, msgspec.json.encode(item(HERE.sealed("a", "x"))))
    assert odd in HERE.opened(given, "a")
