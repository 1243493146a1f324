"""The trace that a call belongs to (W3C Trace Context), as headers tell it and are told of it. Pure.

What a client says of its traces names its own systems. It goes on only to models that are trusted; to all others it is
left out with every other header that tells of traces (`prepare.DROPPED`).
"""

import re

import msgspec

from dwctl.gateway.prepare import nominated
from dwctl.wire.exchange import Headers

_PARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def trace_lines(headers: Headers) -> bytes:
    """The lines for a trusted upstream; empty when there is no trace, or not one that can be understood."""
    parents = [value for name, value in headers if name == b"traceparent"]
    if len(parents) != 1 or _PARENT.fullmatch(parents[0]) is None:
        return b""
    hop = nominated(headers)
    if b"traceparent" in hop:
        return b""
    states = [value for name, value in headers if name == b"tracestate" and b"tracestate" not in hop]
    lines = [b"traceparent: %b\r\n" % parents[0]]
    if states:
        lines.append(b"tracestate: %b\r\n" % b",".join(states))
    return b"".join(lines)


class Parent(msgspec.Struct, frozen=True, gc=False):
    """The span of a client that a call belongs to."""

    trace_id: int
    span_id: int
    sampled: bool
    """Whether the client keeps its own."""
    state: str
    """`tracestate` as it came; empty when there is none."""


_LINES = re.compile(
    rb"traceparent: ([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[^\r\n]*)?\r\n"
    rb"(?:tracestate: ([^\r\n]*)\r\n)?"
)


def parent_in(lines: bytes) -> Parent | None:
    """What `trace_lines` says; None where the standard has a trace begin anew (W3C Trace Context §3.2.2, §4.3)."""
    found = _LINES.fullmatch(lines)
    if found is None:
        return None
    version, trace, span, flags, more, state = found.groups()
    trace_id, span_id = int(trace, 16), int(span, 16)
    if version == b"ff" or (version == b"00" and more is not None) or not (trace_id and span_id):
        return None
    sampled = bool(int(flags, 16) & 1)
    return Parent(trace_id, span_id, sampled, (state or b"").decode("latin-1"))


def our_trace_lines(trace_id: int, span_id: int, state: str, *, sampled: bool) -> bytes:
    """The lines that name a span of ours as the parent of what a trusted upstream does."""
    line = b"traceparent: 00-%032x-%016x-%02x\r\n" % (trace_id, span_id, sampled)
    return b"%btracestate: %b\r\n" % (line, state.encode("latin-1")) if state else line
