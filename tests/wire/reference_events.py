"""Server-sent events as the standard tells it, step by step (WHATWG HTML §9.2.6): slow, plain, to compare with."""

import msgspec


class Event(msgspec.Struct, frozen=True):
    """What a browser would hand to the page."""

    kind: str
    data: str
    last_id: str


def lines_of(text: str) -> list[str]:
    """The lines that have an end: CR LF, or LF, or CR."""
    found: list[str] = []
    line = ""
    at = 0
    while at < len(text):
        if text[at] == "\r":
            found.append(line)
            line = ""
            if text[at + 1 : at + 2] == "\n":
                at += 1
        elif text[at] == "\n":
            found.append(line)
            line = ""
        else:
            line += text[at]
        at += 1
    return found


def read(stream: bytes) -> list[Event]:
    """The events of a whole stream; one that was begun and has no empty line after it is none."""
    found: list[Event] = []
    data = kind = last_id = ""
    for line in lines_of(stream.decode()):
        if line == "":
            if data:
                found.append(Event(kind or "message", data.removesuffix("\n"), last_id))
            data = kind = ""
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data += value + "\n"
        elif field == "event":
            kind = value
        elif field == "id" and "\0" not in value:
            last_id = value
    return found
