"""Any stream of a chat completion: the response is that of the whole reply, and nothing breaks the reader."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from dwctl.wire.translate.echo import echo_of
from dwctl.wire.translate.reply import response_of_chat
from dwctl.wire.translate.stream import Ended, ResponseStream
from tests.wire.open_responses import rebuilt
from tests.wire.translate.test_stream import CALL, USAGE, chunk, streamed, whole

Json = dict[str, Any]
_WORDS = st.text(min_size=1, max_size=12)
_CALLS = st.lists(
    st.tuples(st.from_regex(r"[a-zA-Z_]{1,12}", fullmatch=True), st.text(max_size=12)), max_size=3
)


@st.composite
def chunkings(draw: st.DrawFn) -> tuple[Json, list[Json]]:
    """A message, and the deltas of some stream that says the same."""

    def pieces(text: str) -> list[str]:
        cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
        return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    message: Json = {"role": "assistant", "content": None}
    deltas: list[Json] = [{"role": "assistant", "content": ""}] if draw(st.booleans()) else []
    for name in ("reasoning_content", "content", "refusal"):
        if draw(st.booleans()):
            message[name] = draw(_WORDS)
            deltas += [{name: piece} for piece in pieces(message[name])]
    calls = draw(_CALLS)
    if calls:
        message["tool_calls"] = [
            {"id": f"t{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for at, (name, arguments) in enumerate(calls)
        ]
    queues = []
    for at, (name, arguments) in enumerate(calls):
        parts = pieces(name)
        first: Json = {"index": at, "id": f"t{at}", "function": {"name": parts[0]}}
        rest = [{"index": at, "function": {"name": piece}} for piece in parts[1:]]
        rest += [{"index": at, "function": {"arguments": piece}} for piece in pieces(arguments)]
        queues.append([first, *rest])
    # Calls begin in their order; from then on they may grow in any.
    begun = 0
    while any(queues):
        able = [at for at in range(len(queues)) if queues[at] and at <= begun]
        at = draw(st.sampled_from(able))
        if at == begun:
            begun += 1
        piece = queues[at].pop(0)
        # A name is whole when the next call begins.
        while "name" in piece["function"] and queues[at] and "name" in queues[at][0]["function"]:
            deltas.append({"tool_calls": [piece]})
            piece = queues[at].pop(0)
        deltas.append({"tool_calls": [piece]})
    return message, deltas


@settings(deadline=None)
@given(chunkings(), st.sampled_from(["stop", "length", "tool_calls", "content_filter"]), st.booleans())
def test_any_chunking_gives_the_object_of_the_whole(
    given_: tuple[Json, list[Json]], finish: str, summarised: bool
) -> None:
    message, deltas = given_
    asked = {"reasoning": {"summary": "auto"}} if summarised else {}
    found = streamed(*map(chunk, deltas), chunk(finish=finish), {"choices": [], "usage": USAGE}, asked=asked)
    made = whole(message, finish, asked)
    assert found[-1]["response"] == made
    assert rebuilt(found) == made["output"]


_ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(
            [
                *("content", "role", "reasoning", "reasoning_details", "tool_calls", "function", "name", "id"),
                *("arguments", "index", "refusal", "annotations", "text", "type", "function_call"),
            ]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(_ANY, max_size=5), _ANY, _ANY)
def test_whatever_a_server_says_nothing_breaks(deltas: list[Any], finish: Any, usage: Any) -> None:
    stream = ResponseStream(CALL, echo_of(b"{}"), lambda: Ended(9))
    chunks = [{"choices": [{"delta": delta, "finish_reason": finish}], "usage": usage} for delta in deltas]
    out = b"".join([stream.feed(msgspec.json.encode(each)) for each in [*deltas, *chunks]])
    out += stream.feed(b"[DONE]") + stream.end()
    assert out.count(b"data: [DONE]\n\n") == 1
    for delta in deltas:
        response_of_chat({"choices": [{"message": delta}], "usage": usage}, CALL, echo_of(b"{}"), 9)
