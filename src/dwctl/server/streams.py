"""The part of the composition root that is about the events of background streams."""

import asyncio
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
    reading: asyncio.Semaphore
    """Turns of those who read responses."""


def streams_of(
    database: Database,
    notices: Listener,
    metrics: Metrics,
    daemon_id: UUID,
    *,
    most: int,
    keep_alive: float,
    connections: int,
) -> Streams:
    """Build them, and have the readers told of what all processes write.

    Of so many connections to the database those who read responses take half.
    """
    store, counts = EventStore(database), EventCounts()
    metrics.registry.register(counts)
    log = EventLog(store, daemon_id, counts, most=most)
    followers = Followers(store, counts, daemon_id)
    log.on_committed = followers.on_committed
    notices.subscribe(CHANNEL, followers)
    notices.subscribe(ENDED, followers.ends)
    reading = asyncio.Semaphore(max(1, connections // 2))
    streams = EventStreams(RequestStore(database), store, followers, keep_alive=keep_alive, reading=reading)
    return Streams(store, log, followers, streams, reading)
