"""The answer says what the upstream was not told."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.gateway.echo import Echo
from dwctl.gateway.relay import KEEP_ALIVE
from dwctl.wire.errors import Problem
from dwctl.wire.sse import data_of, events
from tests.fakes import shapes
from tests.fakes.answers import frames

PREVIOUS = "previous_response_id"
ECHOED = {PREVIOUS: b'"resp_before"', "conversation": b'{"id":"conv_1"}'}
STREAM = b"".join(frames(shapes.response_events("m", ["Hel", "lo"]), named=True))
LOST = Problem(status=502, message="Lost.", type="server_error", code="upstream_error")


def objects(stream: bytes) -> list[dict[str, object]]:
    return [
        msgspec.json.decode(data) for event in events(stream) if (data := data_of(event)).startswith(b"{")
    ]


def test_a_whole_answer_is_told() -> None:
    body = msgspec.json.encode(shapes.response("m", "Hello"))
    status, told = Echo(ECHOED).whole(200, body)
    expected = {**msgspec.json.decode(body), PREVIOUS: "resp_before", "conversation": {"id": "conv_1"}}
    assert (status, msgspec.json.decode(told)) == (200, expected)


@pytest.mark.parametrize("body", [b'{"error":{}}', b"no JSON"])
def test_an_error_stays_as_it_is(body: bytes) -> None:
    assert Echo(ECHOED).whole(400, body) == (400, body)


@given(st.lists(st.integers(0, len(list(events(STREAM)))), max_size=5))
def test_events_are_told_however_they_come(cuts: list[int]) -> None:
    whole = list(events(STREAM))
    places = sorted({0, len(whole), *cuts})
    echo = Echo(ECHOED)
    told = b"".join(echo.feed(b"".join(whole[one:other])) for one, other in pairwise(places)) + echo.end()
    for before, after in zip(objects(STREAM), objects(told), strict=True):
        response = before.get("response")
        if isinstance(response, dict):
            before["response"] = {**response, PREVIOUS: "resp_before", "conversation": {"id": "conv_1"}}
        assert after == before
    assert [event.split(b"\n")[0] for event in events(told)] == [event.split(b"\n")[0] for event in whole]


def test_events_without_a_response_keep_their_bytes() -> None:
    for event in (
        b": comment\n\n",
        b"data: [DONE]\n\n",
        b'data: {"delta":"a \\"response\\" b"}\n\n',
        b"data: {\n\n",
    ):
        assert Echo(ECHOED).feed(event) == event
    odd = b'data: {"response":"resp_x","type":"x"}\n\n'
    assert Echo(ECHOED).feed(odd) == odd


def test_a_stream_that_is_cut_fails_with_what_was_told() -> None:
    echo = Echo(ECHOED)
    for event in list(events(STREAM))[:4]:
        echo.feed(event)
    (last,) = objects(echo.last_event(LOST))
    response = last["response"]
    assert isinstance(response, dict)
    assert (last["type"], last["sequence_number"]) == ("response.failed", 4)
    assert (response["status"], response[PREVIOUS]) == ("failed", "resp_before")
    assert echo.keep_alive() == KEEP_ALIVE
    assert echo.refusal(LOST) is LOST
