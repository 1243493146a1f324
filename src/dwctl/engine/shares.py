"""Who is next: free places among lanes, fair between owners and nearest deadline first. Pure.

A lane's score is (1 - w) x its owner's share of what will be under way + w x the part of a day that is left to its
deadline; the least is next, ties go to the nearer deadline and then to the older lane. The share counts what is given
out in the same round, so that a round alone is fair already. Owners are compared, not lanes: an owner's lanes differ in
urgency only, so the best of them stands for it, and a place costs the logarithm of the number of owners.
"""

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heapreplace
from uuid import UUID

import msgspec

DAY = 86_400.0


class Bidder(msgspec.Struct, frozen=True, gc=False):
    """A lane that something waits in."""

    lane_id: int
    owner_id: UUID
    deadline: float
    """Unix seconds; of single calls that of the tightest window they may have."""
    most: int
    """Requests that may wait in it."""


class _Owner:
    """An owner's lanes of one model, the most urgent first, and how many places they got."""

    __slots__ = ("given", "id", "lanes", "place", "running")

    def __init__(self, ident: UUID, lanes: list[tuple[float, float, int, int]], running: int) -> None:
        self.id = ident
        self.lanes = lanes
        self.place = 0
        self.given = 0
        self.running = running


def share_out(
    free: int, bidders: Iterable[Bidder], running: Mapping[UUID, int], weight: float, now: float
) -> dict[int, int]:
    """How many of `free` places of one model each lane gets; `running` is what owners have under way."""
    if free <= 0:
        return {}
    lanes: dict[UUID, list[tuple[float, float, int, int]]] = {}
    for bidder in bidders:
        if bidder.most > 0:
            urgency = weight * min(1.0, max(0.0, (bidder.deadline - now) / DAY))
            lanes.setdefault(bidder.owner_id, []).append(
                (urgency, bidder.deadline, bidder.lane_id, bidder.most)
            )
    total = free + sum(running.values())
    step = (1.0 - weight) / total
    owners = [_Owner(ident, sorted(own), running.get(ident, 0)) for ident, own in lanes.items()]
    heap = [
        (step * owner.running + owner.lanes[0][0], *owner.lanes[0][1:3], n) for n, owner in enumerate(owners)
    ]
    heapify(heap)
    given: dict[int, int] = {}
    while free and heap:
        _, _, lane_id, number = heap[0]
        owner = owners[number]
        count = given[lane_id] = given.get(lane_id, 0) + 1
        owner.running += 1
        free -= 1
        if count >= owner.lanes[owner.place][3]:
            owner.place += 1
            if owner.place == len(owner.lanes):
                heappop(heap)
                continue
        urgency, deadline, lane_id, _ = owner.lanes[owner.place]
        heapreplace(heap, (step * owner.running + urgency, deadline, lane_id, number))
    return given
