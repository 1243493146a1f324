"""What an errand is made of."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.engine.errand import header_value, with_priority

DEADLINE = datetime(2030, 1, 1, tzinfo=UTC)
PRIORITY = -int(DEADLINE.timestamp())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_a_priority_keeps_everything_else(members: dict[str, object]) -> None:
    members.pop("nvext", None)
    found = msgspec.json.decode(with_priority(msgspec.json.encode(members), DEADLINE))
    assert found == {**members, "nvext": {"agent_hints": {"priority": PRIORITY}}}


def test_a_priority_stands_beside_other_hints() -> None:
    body = b'{"model":"m","nvext":{"a":1,"agent_hints":{"b":2,"priority":9}}}'
    assert msgspec.json.decode(with_priority(body, DEADLINE))["nvext"] == {
        "a": 1, "agent_hints": {"b": 2, "priority": PRIORITY}
    }  # fmt: skip


@pytest.mark.parametrize("body", [b"[1]", b"no", b'{"nvext":3}', b""])
def test_what_is_no_object_stays(body: bytes) -> None:
    assert with_priority(body, DEADLINE) == body


@given(st.text())
def test_a_header_is_one_line_or_none(text: str) -> None:
    value = header_value(text)
    if value is not None:
        assert not set(value) & {*range(32), 127}
    else:
        assert any(ord(letter) < 32 or ord(letter) == 127 for letter in text)
