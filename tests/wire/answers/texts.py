"""What upstreams may say: JSON of any kind, and streams of it."""

from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import strategies as st

PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
NAMES = st.sampled_from(
    [
        *(
            "id",
            "object",
            "created",
            "created_at",
            "model",
            "choices",
            "usage",
            "index",
            "message",
            "delta",
            "text",
        ),
        *(
            "content",
            "role",
            "tool_calls",
            "function",
            "arguments",
            "name",
            "finish_reason",
            "logprobs",
            "error",
        ),
        *("data", "embedding", "type", "response", "output", "item", "part", "status", "sequence_number"),
        *("prompt_tokens", "output_index", "summary", "x_provider", "cost", "code", "reasoning", "refusal"),
    ]
)
TYPES = st.sampled_from(
    ["message", "function_call", "reasoning", "output_text", "refusal", "response.completed"]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    PLAIN | TYPES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=25,
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=8)


def encoded(value: Any) -> bytes:
    """As JSON."""
    return msgspec.json.encode(value)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Events of any JSON, with comments, names, several data lines, other line ends and noise between them."""
    found = []
    for value in draw(st.lists(JSON | OBJECTS, max_size=6)):
        end = draw(st.sampled_from([b"\n", b"\r\n"]))
        data = encoded(value)
        lines = [b"data: " + data]
        if draw(st.booleans()):
            lines = [b"data: " + data[:1], b"data: " + data[1:]]
        before = draw(
            st.lists(st.sampled_from([b": secret", b"event: x", b"id: 7", b"data", b"noise"]), max_size=2)
        )
        found.append(end.join([*before, *lines]) + end + end)
    if draw(st.booleans()):
        found.append(b"data: [DONE]\n\n")
    return b"".join(found)


@st.composite
def splits(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes in any number of reads."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:end] for start, end in pairwise([0, *places, len(data)])]
