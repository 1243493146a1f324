"""Who waits for the end of one request is woken by its notice, and looks for itself: a notice is a hint, never data.

May be lost if the process dies: nothing; waiters poll besides.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID


class Endings:
    """Subscriber of the channel `dwctl_ended`."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def on_connected(self) -> None:
        """Notices may have been missed: everybody looks."""
        for events in self._waiting.values():
            for event in events:
                event.set()

    def on_notice(self, payload: str) -> None:
        """One request has ended."""
        for event in self._waiting.get(payload, ()):
            event.set()

    @contextmanager
    def waiting(self, request_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set when the request ends, while the block runs; who waits clears it before each look."""
        event, name = asyncio.Event(), str(request_id)
        self._waiting.setdefault(name, set()).add(event)
        try:
            yield event
        finally:
            events = self._waiting[name]
            events.discard(event)
            if not events:
                del self._waiting[name]
