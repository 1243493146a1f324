"""Server-sent events as bytes: where whole events end, and what their data is (WHATWG HTML §9.2.6).

An event ends with an empty line; lines end with LF or CRLF, as every model server writes them. A stream whose lines
end with a lone CR, which the standard also knows, is one long event here.
"""

from collections.abc import Iterator

MAX_EVENT = 16 * 1024 * 1024


class EventTooLarge(Exception):
    """An event does not end within `MAX_EVENT` bytes."""


class Cutter:
    """Cuts a stream of bytes, however it was split on the way, into pieces of whole events.

    What has been searched for an end is not searched again, so that an event that arrives in a thousand reads costs
    no more than one that arrives whole.
    """

    __slots__ = ("_parts", "_size", "_tail")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._tail = b""

    def feed(self, data: bytes) -> bytes:
        """All events that are whole by now; empty while there is none."""
        if not self._parts and data.endswith(b"\n\n"):
            return data
        joint = self._tail + data
        end = whole_events(joint) - len(self._tail)
        if end <= 0:
            self._parts.append(data)
            self._size += len(data)
            self._tail = joint[-3:]
            if self._size > MAX_EVENT:
                raise EventTooLarge
            return b""
        whole = b"".join((*self._parts, data[:end])) if self._parts else data[:end]
        rest = data[end:]
        self._parts = [rest] if rest else []
        self._size = len(rest)
        self._tail = rest[-3:]
        return whole

    def rest(self) -> bytes:
        """What came after the last whole event; the cutter is empty afterwards."""
        rest = b"".join(self._parts)
        self._parts = []
        self._size = 0
        self._tail = b""
        return rest


def whole_events(data: bytes) -> int:
    """Length of the part of `data` that consists of whole events; 0 when there is none yet."""
    end = data.rfind(b"\n\n") + 2
    if end == 1:
        end = 0
    other = data.rfind(b"\n\r\n", max(0, end - 2))
    return end if other < 0 else other + 3


def events(data: bytes) -> Iterator[bytes]:
    """Each event of whole events with its final empty line; then what is left, if anything is."""
    start = 0
    end = len(data)
    while start < end:
        plain = data.find(b"\n\n", start)
        other = data.find(b"\n\r\n", start, end if plain < 0 else plain + 2)
        if plain < 0 and other < 0:
            yield data[start:]
            return
        stop = plain + 2 if other < 0 else other + 3
        yield data[start:stop]
        start = stop


def last_events(data: bytes, count: int) -> list[bytes]:
    """At most `count` events from the end of a stream's text, the last one first."""
    found: list[bytes] = []
    mark = b"\n\r\n" if data.endswith(b"\r\n") else b"\n\n"
    end = len(data)
    while len(found) < count:
        while end > 0 and data[end - 1] in b"\r\n":
            end -= 1
        if not end:
            break
        before = data.rfind(mark, 0, end)
        start = before + len(mark) if before >= 0 else 0
        found.append(data[start:end])
        end = start
    return found


def data_of(event: bytes) -> bytes:
    """The data of one event: its `data:` lines without the field name, joined by line feeds."""
    text = event.rstrip(b"\r\n")
    if text.startswith(b"data:") and b"\n" not in text:
        return text[5:].removeprefix(b" ")
    lines = []
    for raw in text.split(b"\n"):
        line = raw.removesuffix(b"\r")
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
    return b"\n".join(lines)


def with_data(event: bytes, data: bytes) -> bytes:
    """The event with other data on one line; its other lines and its line ends as they are."""
    lines = event.split(b"\n")
    kept: list[bytes] = []
    placed = False
    for line in lines:
        if not line.startswith(b"data:"):
            kept.append(line)
        elif not placed:
            placed = True
            kept.append(b"data: %b%b" % (data, b"\r" if line.endswith(b"\r") else b""))
    return b"\n".join(kept)
