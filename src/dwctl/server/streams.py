"""The part of the composition root that is about the events of background streams."""

from uuid import UUID

import msgspec

from dwctl.core.metrics import Metrics
from dwctl.db.listen import Listener
from dwctl.db.postgres import Database
from dwctl.engine.responses.event_counts import EventCounts
from dwctl.engine.responses.event_log import EventLog
from dwctl.engine.responses.followers import Followers
from dwctl.engine.responses.streams import EventStreams
from dwctl.requests.events.store import CHANNEL, EventStore
from dwctl.requests.queue.store import ENDED
from dwctl.requests.store import RequestStore


class Streams(msgspec.Struct, frozen=True):
    """Who writes them, and who reads them."""

    store: EventStore
    log: EventLog
    followers: Followers
    streams: EventStreams


def streams_of(
    database: Database,
    notices: Listener,
    metrics: Metrics,
    daemon_id: UUID,
    *,
    most: int,
    keep_alive: float,
) -> Streams:
    """Build them, and have the readers told of what all processes write."""
    store, counts = EventStore(database), EventCounts()
    metrics.registry.register(counts)
    log = EventLog(store, daemon_id, counts, most=most)
    followers = Followers(store, counts, daemon_id)
    log.on_committed = followers.on_committed
    notices.subscribe(CHANNEL, followers)
    notices.subscribe(ENDED, followers.ends)
    return Streams(
        store, log, followers, EventStreams(RequestStore(database), store, followers, keep_alive=keep_alive)
    )
