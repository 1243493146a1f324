"""The trace that a call belongs to (W3C Trace Context), for model servers that may know of it. Pure.

What a client says of its traces names its own systems. It goes on only to models that are trusted; to all others it is
left out with every other header that tells of traces (`prepare.DROPPED`).
"""

import re

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
