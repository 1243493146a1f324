"""What a client says of its traces reaches trusted model servers, and no others."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.gateway.trace import trace_lines
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import House, chat, model, target

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TOLD = {
    "traceparent": PARENT,
    "tracestate": "vendor=1",
    "baggage": "user=anna",
    "x-b3-traceid": "80f198ee56343ba864fe8b2a57d3eff7",
    "b3": "0",
    "uber-trace-id": "1:2:3:1",
    "x-kept": "yes",
}


@pytest.mark.parametrize(
    ("trusted", "passed"),
    [(False, {"x-kept"}), (True, {"x-kept", "traceparent", "tracestate"})],
)
async def test_traces_go_to_trusted_models_only(trusted: bool, passed: set[str]) -> None:
    async with FakeUpstream() as upstream:
        place = msgspec.structs.replace(target(upstream.url), trusted=trusted)
        async with House(model("m", place)) as house:
            assert (await house.call(chat(), headers=TOLD)).status == 200
        seen = upstream.posts[0]
        assert {name: seen.header(name) for name in TOLD} == {
            name: value if name in passed else None for name, value in TOLD.items()
        }


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"tracestate", b"vendor=1")],
        [(b"traceparent", b"made up")],
        [(b"traceparent", PARENT.encode().upper())],
        [(b"traceparent", PARENT.encode()), (b"traceparent", PARENT.encode())],
        [(b"traceparent", PARENT.encode()), (b"connection", b"traceparent")],
    ],
)
def test_what_is_no_trace_is_left_out(headers: list[tuple[bytes, bytes]]) -> None:
    assert trace_lines(headers) == b""


def test_states_of_several_lines_are_one_list() -> None:
    headers = [(b"traceparent", PARENT.encode()), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")]
    assert trace_lines(headers) == b"traceparent: %b\r\ntracestate: a=1,b=2\r\n" % PARENT.encode()


@given(st.binary(max_size=80))
def test_only_a_trace_of_the_known_form_passes(value: bytes) -> None:
    lines = trace_lines([(b"traceparent", value)])
    assert lines in (b"", b"traceparent: %b\r\n" % value)
    assert lines.count(b"\r\n") == bool(lines)
