"""What a statement of the writer writes of the records that have come."""

from collections.abc import Iterable

from dwctl.requests.entries import Batch
from dwctl.requests.entry import Entry
from dwctl.requests.frames import Kind
from dwctl.requests.states import supersedes

_COST = b'"cost":'
_TOOLS = b'"tool_calls":'


def merged(entries: Iterable[Entry]) -> Batch:
    """One record and one pair of bodies for each request. The entries do not change any more."""
    places: dict[str, int] = {}
    kept: list[Entry] = []
    displaced: list[Entry] = []
    for entry in entries:
        entry.taken = True
        place = places.get(entry.id)
        if place is None:
            places[entry.id] = len(kept)
            kept.append(entry)
        else:
            kept[place] = _both(kept[place], entry, displaced)
    metas: list[bytes] = []
    bodies: list[bytes] = []
    requests: list[int | None] = []
    responses: list[int | None] = []
    for entry in kept:
        metas.append(entry.meta)
        bodies.append(entry.request)
        bodies.append(entry.response)
        requests.append(len(entry.request) or None)
        responses.append(len(entry.response) or None)
    return Batch(b"[%b]" % b",".join(metas), bodies, requests, responses, displaced)


def _both(known: Entry, new: Entry, displaced: list[Entry]) -> Entry:
    """Two of the same request: the first one's client's body, the answer of the last end that counts."""
    lost, kept, response = new, known, known.response
    ends = new.kind != int(Kind.STARTED)
    if supersedes(new, known):
        lost, kept = known, new
        if ends:
            response = new.response
    if lost.kind != int(Kind.STARTED) and (_COST in lost.meta or _TOOLS in lost.meta):
        displaced.append(lost)
    request = known.request or new.request
    both = Entry(kept.kind, kept.id, kept.attempt, kept.state, kept.meta, request, response)
    both.taken = True
    return both
