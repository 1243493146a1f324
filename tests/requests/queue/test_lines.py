"""Lines of output and error files."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.ids import new_uuid
from dwctl.requests.queue.lines import line_of

IDENT = new_uuid()
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.none() | st.text(), st.integers(100, 599), values, st.booleans())
def test_an_answer_is_one_line(custom_id: str | None, status: int, body: object, spread: bool) -> None:
    encoded = msgspec.json.encode(body)
    if spread:
        encoded = msgspec.json.format(encoded, indent=2).replace(b"\n", b"\r\n")
    line = line_of(IDENT, custom_id, 4, status, encoded, None, None)
    assert line.endswith(b"\n")
    assert len(line.splitlines()) == 1
    assert msgspec.json.decode(line) == {
        "id": f"batch_req_{IDENT}",
        "custom_id": custom_id,
        "response": {"status_code": status, "request_id": f"resp_{IDENT}", "body": body},
        "error": None,
    }


@given(st.none() | st.text(), st.none() | st.text())
def test_without_an_answer_it_says_why(code: str | None, message: str | None) -> None:
    line = line_of(IDENT, "a", 3, None, None, code, message)
    assert msgspec.json.decode(line) == {
        "id": f"batch_req_{IDENT}",
        "custom_id": "a",
        "response": None,
        "error": {"code": code, "message": message},
    }
