"""Server-sent events as bytes: where whole events end, and what their data is (WHATWG HTML §9.2.6).

An event ends with an empty line; lines end with LF or CRLF, as every model server writes them. The standard also knows
a lone CR as the end of a line: from the first one on, all lines of that stream end with LF here and for the client, so
that nobody behind the cutter has to know of a third kind. A byte order mark is left to the client.
"""

from collections.abc import Iterator

MAX_EVENT = 16 * 1024 * 1024
_EMPTY_DATA = (b"data", b"data\r")


class EventTooLarge(Exception):
    """An event does not end within `MAX_EVENT` bytes."""


class LineEnds:
    """A stream without carriage returns that stand alone, however it was split on the way."""

    __slots__ = ("_alone", "_held")

    def __init__(self) -> None:
        self._alone = False
        """Whether one has been seen: from there on every line ends with LF."""
        self._held = False
        """Whether the last byte was a CR: unsaid while an LF would belong to it, or said already as an LF."""

    def feed(self, data: bytes) -> bytes:
        """The same lines; a CR at the end waits for what follows, unless it has become clear what it means."""
        if self._alone:
            return self._plain(data)
        if self._held:
            data = b"\r" + data
        if data.count(b"\r", 0, -1) == data.count(b"\r\n"):
            self._held = data.endswith(b"\r")
            return data[:-1] if self._held else data
        self._alone = True
        self._held = False
        first = _first_alone(data)
        return data[:first] + self._plain(data[first:])

    def rest(self) -> bytes:
        """At the end of the stream: the line end that waited."""
        waited = self._held and not self._alone
        self._held = False
        return b"\n" if waited else b""

    def _plain(self, data: bytes) -> bytes:
        if self._held and data.startswith(b"\n"):
            data = data[1:]
            self._held = False
        if data:
            self._held = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _first_alone(data: bytes) -> int:
    """Where the first CR stands that is not followed by an LF."""
    at = data.index(b"\r")
    while data.startswith(b"\n", at + 1):
        at = data.index(b"\r", at + 2)
    return at


class Cutter:
    """Cuts a stream of bytes, however it was split on the way, into pieces of whole events.

    What has been searched for an end is not searched again, so that an event that arrives in a thousand reads costs
    no more than one that arrives whole.
    """

    __slots__ = ("_line_ends", "_parts", "_size", "_tail", "between")

    def __init__(self) -> None:
        self.between = True
        """Whether it stands between two events of a stream without a CR: what comes is looked at by itself."""
        self._line_ends: LineEnds | None = None
        """Only for a stream with a CR in it."""
        self._parts: list[bytes] = []
        self._size = 0
        self._tail = b""

    def feed(self, data: bytes) -> bytes:
        """All events that are whole by now; empty while there is none."""
        # `in` would do, but it first takes the bytes for a number, and throws and drops an error.
        if self._line_ends is not None or data.find(b"\r") >= 0:
            data = self._without_lone_cr(data)
        if not self._parts and data.endswith(b"\n\n"):
            return data
        self.between = False
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
        self.between = not rest and self._line_ends is None
        return whole

    def rest(self) -> bytes:
        """What came after the last whole event; the cutter is empty afterwards."""
        if self._line_ends is not None:
            self._parts.append(self._line_ends.rest())
        rest = b"".join(self._parts)
        self._parts = []
        self._size = 0
        self._tail = b""
        return rest

    def _without_lone_cr(self, data: bytes) -> bytes:
        if self._line_ends is None:
            self._line_ends = LineEnds()
            self.between = False
        return self._line_ends.feed(data)


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


def last_events(data: bytes, count: int) -> Iterator[bytes]:
    """At most `count` events from the end of a stream's text, the last one first; cut as they are asked for."""
    mark = b"\n\r\n" if data.endswith(b"\r\n") else b"\n\n"
    end = len(data)
    for _ in range(count):
        while end > 0 and data[end - 1] in b"\r\n":
            end -= 1
        if not end:
            return
        before = data.rfind(mark, 0, end)
        start = before + len(mark) if before >= 0 else 0
        yield data[start:end]
        end = start


def data_of(event: bytes) -> bytes:
    """The data of one event: its `data:` lines without the field name, joined by line feeds."""
    text = event.rstrip(b"\r\n")
    if text.startswith(b"data:") and text.find(b"\n") < 0:
        return text[5:].removeprefix(b" ")
    lines = []
    for raw in text.split(b"\n"):
        line = raw.removesuffix(b"\r")
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines)


def with_data(event: bytes, data: bytes) -> bytes:
    """The event with other data, in as many lines as it has; its other lines and its line ends as they are."""
    lines = event.split(b"\n")
    kept: list[bytes] = []
    placed = False
    for line in lines:
        if not line.startswith(b"data:") and line not in _EMPTY_DATA:
            kept.append(line)
        elif not placed:
            placed = True
            end = b"\r" if line.endswith(b"\r") else b""
            kept += [b"data: %b%b" % (each, end) for each in data.split(b"\n")]
    return b"\n".join(kept)
