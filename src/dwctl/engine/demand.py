"""What waits, as this process knows it, and how much of it may be claimed: pure but for what it remembers.

It knows the lanes that something waited in when the queue was looked at last. A lane that came short is left out until
the next look. Nothing of it outlives the process, and nothing depends on its being right: a claim takes what is there.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from random import SystemRandom
from uuid import UUID

from dwctl.core.clock import Clock
from dwctl.engine.headroom import Headroom
from dwctl.engine.policy import Policy
from dwctl.engine.shares import Bidder, share_out
from dwctl.engine.worker_settings import BatchDaemonSettings
from dwctl.requests.queue.structs import Claimed, Lane
from dwctl.routing.snapshot import Routing

KEY_GRACE = 10.0
"""Seconds in which a lane's new key may come to be known here; then its requests are run, and refused."""


class Demand:
    """Of one process."""

    def __init__(
        self,
        settings: BatchDaemonSettings,
        policy: Policy,
        routing: Routing,
        headroom: Headroom,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._routing = routing
        self._headroom = headroom
        self._clock = clock
        self._shuffle = SystemRandom().shuffle
        self._unknown: dict[bytes | None, float] = {}
        """Keys that are not known here, and since when."""
        self.lanes: dict[int, Lane] = {}
        self.floors: dict[int, int] = {}
        """Ranks before which nothing waited in a lane when it was looked at, or that were claimed since."""

    def renew(self, lanes: Sequence[Lane]) -> None:
        """Something waits in these, and in no others."""
        self.lanes = {lane.id: lane for lane in lanes}
        self.floors = {lane.id: lane.head for lane in lanes}
        keys = self._routing.snapshot.keys
        now = self._clock.monotonic()
        missing = {lane.run_key for lane in lanes if lane.run_key not in keys}
        self._unknown = {key: self._unknown.get(key, now) for key in missing}

    def wanted(self, now: float, models: Counter[str], owners: Counter[UUID]) -> dict[int, int]:
        """How many to claim from each lane, with so many under way of each model and for each owner."""
        by_model: dict[str, list[Bidder]] = {}
        for lane in self.lanes.values():
            if self._may_run(lane, now):
                most = lane.live if lane.batch_id is not None else self._settings.claim_batch_size
                bidder = Bidder(lane.id, lane.owner_id, lane.deadline.timestamp(), most)
                by_model.setdefault(lane.model, []).append(bidder)
        names = list(by_model)
        if len(names) > 1:
            # So that the limit of one statement starves nobody.
            self._shuffle(names)
        left = self._settings.claim_batch_size
        wanted: dict[int, int] = {}
        for name in names:
            free = min(left, self._headroom.cap(name, self.capacity(name)) - models[name])
            share = share_out(free, by_model[name], owners, self._settings.urgency_weight, now)
            left -= sum(share.values())
            wanted |= share
        return wanted

    def took(self, wanted: Mapping[int, int], claimed: Iterable[Claimed]) -> bool:
        """What came of it; whether lanes came short: they are empty, or another process was just taking from them."""
        got: Counter[int] = Counter()
        for each in claimed:
            got[each.lane_id] += 1
            self.floors[each.lane_id] = max(self.floors.get(each.lane_id, 0), each.rank)
        short = [lane_id for lane_id, count in wanted.items() if got[lane_id] < count]
        for lane_id in short:
            self.lanes.pop(lane_id, None)
        return bool(short)

    def capacity(self, name: str) -> int:
        """How many requests of a model may be under way at once."""
        model = self._routing.snapshot.models.get(name)
        if model is None or model.batch_capacity is None:
            return self._settings.default_model_concurrency
        return model.batch_capacity

    def _may_run(self, lane: Lane, now: float) -> bool:
        """A model that is not there is waited for, and a key that has just been made."""
        if lane.model not in self._routing.snapshot.models and not self._policy.late(
            lane.completion_window, lane.deadline.timestamp(), now
        ):
            return False
        since = self._unknown.get(lane.run_key)
        if since is None or lane.run_key is None:
            return True
        return lane.run_key in self._routing.snapshot.keys or self._clock.monotonic() - since >= KEY_GRACE
