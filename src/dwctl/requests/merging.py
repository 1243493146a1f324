"""What a statement of the writer writes of the records that have come. Pure."""

from collections.abc import Iterable

from dwctl.requests.entries import Batch, Entry
from dwctl.requests.frames import Kind
from dwctl.requests.states import supersedes

_COST = b'"cost":'
_TOOLS = b'"tool_calls":'


def merged(entries: Iterable[Entry]) -> Batch:
    """One record and one pair of bodies for each request: a fast call is one insert. Pure."""
    places: dict[str, int] = {}
    kept: list[Entry] = []
    bodies: list[bytes] = []
    displaced: list[Entry] = []
    started = int(Kind.STARTED)
    for entry in entries:
        place = places.get(entry.id)
        if place is None:
            places[entry.id] = len(kept)
            kept.append(entry)
            bodies += (entry.body, b"") if entry.kind == started else (b"", entry.body)
            continue
        lost = entry
        if supersedes(entry, kept[place]):
            lost, kept[place] = kept[place], entry
            if entry.kind != started:
                bodies[2 * place + 1] = entry.body
        if lost.kind != started and (_COST in lost.meta or _TOOLS in lost.meta):
            displaced.append(lost)
        if entry.kind == started and not bodies[2 * place]:
            bodies[2 * place] = entry.body
    lengths = [len(body) or None for body in bodies]
    return Batch([entry.meta for entry in kept], bodies, lengths[::2], lengths[1::2], displaced)
