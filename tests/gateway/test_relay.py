"""Events on their way to the client: our id in each, whatever reads they come in."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dwctl.gateway.relay import EventRelay
from dwctl.gateway.routes import IdStyle
from dwctl.wire.sse import data_of, events
from tests.wire.test_sse import splits

TEXTS = st.sampled_from(
    ["", "Hello", '"id":"up-1"', 'data: {"id":"up-1"', "[DONE]", "\n\ndata: [DONE]\n\n", "\u00e9"]
)
OPENINGS = st.sampled_from(
    [{"id": "up-1"}, {"id": "up-1"}, {"id": "up-1"}, {"id": "other"}, {}, {"object": "x"}]
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[dict[str, Any]], bool]:
    """(as it comes, its chunks, whether it says that it has ended)."""
    end = draw(st.sampled_from([b"\n\n", b"\n\n", b"\r\n\r\n"]))
    chunks = [
        {**draw(OPENINGS), "choices": [{"index": 0, "delta": {"content": draw(TEXTS)}}]}
        for _ in range(draw(st.integers(0, 6)))
    ]
    done = draw(st.booleans())
    coded = b"".join(b"data: " + msgspec.json.encode(chunk) + end for chunk in chunks)
    return coded + (b"data: [DONE]" + end if done else b""), chunks, done


@given(st.data(), streams())
def test_every_chunk_has_our_id_and_nothing_else_changes(
    data: st.DataObject, stream: tuple[bytes, list[dict[str, Any]], bool]
) -> None:
    coded, chunks, done = stream
    relay = EventRelay(IdStyle.TOP, b"resp_1", hide_usage=False)
    sent = b"".join(relay.feed(read) for read in data.draw(splits(coded))) + relay.rest()

    seen = [data_of(event) for event in events(sent)]
    expected = [{**chunk, "id": "resp_1"} for chunk in chunks]
    assert [msgspec.json.decode(each) for each in seen if each != b"[DONE]"] == expected
    assert (relay.ended, seen[-1:] == [b"[DONE]"]) == (done, done)


EVENTS = st.sampled_from(
    [
        b'data: {"id":"up-1","choices":[{"delta":{"content":"a"}}]}\n\n',
        b'data: {"id":"up-1","choices":[{"delta":{"content":"a"}}]}\n\n',
        b'data: {"id":"up-1","choices":[{"delta":{}}],"usage":null}\n\n',
        b'data: {"id":"up-1","choices":[],"usage":{"total_tokens":3}}\n\n',
        b'data: {"id":"up-1","usage":{"total_tokens":3},"choices":[ ]}\n\n',
        b'data: {"id":"up-1","usage":1,"choices":[]}\n\n',
        b'data: {"id":"up-1","choices":[{"delta":{"content":"\\"usage\\":"}}]}\n\n',
        b'data: {"id":"other","choices":[]}\n\n',
        b'data: {"id":"up-1",\ndata: "choices":[]}\n\n',
        b'data: {"id":"up-1"}\nevent: x\n\n',
        b'data: {"id":"up-1"}\r\n\r\n',
        b'data: {"id":"up-1"}\r\r',
        b'data: {"error":{"message":"no"}}\n\n',
        b": alive\n\n",
        b"\n",
        b"data: [DONE]\n\n",
    ]
)


@given(st.data(), st.lists(EVENTS, max_size=6), st.booleans())
def test_a_stream_reaches_the_client_the_same_however_it_was_read(
    data: st.DataObject, stream: list[bytes], hide_usage: bool
) -> None:
    coded = b"".join(stream)
    assert _relayed(stream, hide_usage) == _relayed(data.draw(splits(coded)), hide_usage)


@given(st.lists(EVENTS, max_size=6), st.booleans())
def test_many_events_in_a_read_are_relayed_as_one_by_one(stream: list[bytes], hide_usage: bool) -> None:
    assert _relayed(stream, hide_usage) == _relayed([b"".join(stream)], hide_usage)


def _relayed(reads: list[bytes], hide_usage: bool) -> tuple[bytes, bytes, bool]:
    """(what the client gets, the event that it does not get, whether the stream has said that it has ended)."""
    relay = EventRelay(IdStyle.TOP, b"resp_1", hide_usage=hide_usage)
    sent = b"".join(map(relay.feed, reads)) + relay.rest()
    return sent, relay.hidden, relay.ended


def test_an_event_may_be_cut_at_any_byte() -> None:
    event = b'data: {"id":"up-1","choices":[{"delta":{"content":"a"}}]}\n\n'
    whole = _relayed([event, event, event], True)
    for at in range(len(event) + 1):
        assert _relayed([event, event[:at], event[at:] + event], True) == whole


def test_an_empty_line_before_hidden_usage_is_the_clients_in_whatever_read_it_came() -> None:
    chunk = b'data: {"id":"up-1","choices":[{"delta":{"content":"a"}}]}\n\n'
    usage = b'data: {"id":"up-1","choices":[],"usage":{"total_tokens":3}}\n\n'
    expected = (b'data: {"id":"resp_1","choices":[{"delta":{"content":"a"}}]}\n\n\n', usage, False)
    assert _relayed([chunk, b"\n", usage], True) == expected
    assert _relayed([chunk + b"\n", usage], True) == expected
    assert _relayed([chunk + b"\n" + usage], True) == expected
