"""Server-sent events as bytes: where a whole event ends, and what its data is (WHATWG HTML, server-sent events)."""

from collections.abc import Iterator


def whole_events(data: bytes) -> int:
    """Length of the part of `data` that consists of whole events; 0 when there is none yet.

    An event ends with an empty line; lines end with LF or CRLF.
    """
    end = data.rfind(b"\n\n") + 2
    if end == 1:
        end = 0
    if b"\r" in data:
        other = data.rfind(b"\n\r\n")
        if other >= 0:
            end = max(end, other + 3)
    return end


def events(data: bytes) -> Iterator[bytes]:
    """Each event of whole events with its final empty line."""
    start = 0
    end = len(data)
    while start < end:
        plain = data.find(b"\n\n", start)
        other = data.find(b"\n\r\n", start) if b"\r" in data else -1
        if plain < 0 and other < 0:
            yield data[start:]
            return
        stop = plain + 2 if other < 0 or (0 <= plain < other) else other + 3
        yield data[start:stop]
        start = stop


def data_of(event: bytes) -> bytes:
    """The data of one event: its `data:` lines without the field name, joined by line feeds."""
    lines = []
    for raw in event.split(b"\n"):
        line = raw.removesuffix(b"\r")
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
    return b"\n".join(lines)
