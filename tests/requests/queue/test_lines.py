"""Lines of output and error files: exactly OpenAI's shapes, one JSON object on one line whatever came from upstream."""

from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dwctl.requests.queue.lines import line_of
from dwctl.requests.record import State

ID = UUID("0199e1c2-5f6a-7b3c-8d4e-5f60718293a4")


def test_an_answer() -> None:
    assert line_of(ID, 'a "b"', State.COMPLETED, 200, b'{"id":"resp_1"}', None, None) == (
        b'{"id":"batch_req_0199e1c2-5f6a-7b3c-8d4e-5f60718293a4","custom_id":"a \\"b\\"","response":{"status_code":200,'
        b'"request_id":"resp_0199e1c2-5f6a-7b3c-8d4e-5f60718293a4","body":{"id":"resp_1"}},"error":null}\n'
    )


def test_a_refusal_keeps_its_status_and_body() -> None:
    line = msgspec.json.decode(line_of(ID, "x", State.FAILED, 403, b'{"error":{}}', "forbidden", "No."))
    assert line["response"] == {"status_code": 403, "request_id": f"resp_{ID}", "body": {"error": {}}}
    assert line["error"] is None


def test_what_never_got_an_answer() -> None:
    line = msgspec.json.decode(line_of(ID, None, State.FAILED, 500, None, "batch_expired", "Too late."))
    assert (line["custom_id"], line["response"]) == (None, None)
    assert line["error"] == {"code": "batch_expired", "message": "Too late."}


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.lists(st.integers()).map(lambda v: msgspec.json.format(str(v).encode()))
)
def test_any_body_stays_on_its_line(body: bytes) -> None:
    text = line_of(ID, "x", State.COMPLETED, 200, body, None, None)
    assert text.count(b"\n") == 1
    found = msgspec.json.decode(text)["response"]["body"]
    try:
        assert found == msgspec.json.decode(body.decode())
    except ValueError:
        assert found == body.decode(errors="replace")
