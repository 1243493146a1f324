"""What happened in a background stream, as far as its log tells: its events, those that repeat as one. Pure.

The first two events and the last one are in no log; they are the call's beginning and its end, as its readers got them
(requests/events/unfolding.py).
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from dwctl.control.requests.structs import EventStep
from dwctl.requests.events.unfolding import closing, opening
from dwctl.requests.record import State
from dwctl.requests.store import StoredRequest
from dwctl.wire.answers.fields import FAULTS
from dwctl.wire.sse import data_of, events


class _Item(msgspec.Struct, gc=False):
    type: str | None = None
    name: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str
    sequence_number: int
    output_index: int | None = None
    item: _Item | None = None


_read = msgspec.json.Decoder(_Event).decode


class Steps:
    """Gathers them, in their order, from the beginning of the call on."""

    def __init__(self) -> None:
        self.found: list[EventStep] = []

    def begin(self, row: StoredRequest) -> None:
        """The call was accepted."""
        self.add(opening(row, -1), row.created_at)

    def end(self, row: StoredRequest) -> None:
        """It has ended, if it has; nobody is shown its last event before the others."""
        if row.state >= State.FAILED:
            before = self.found[-1]
            moments = [moment for moment in (before.last_at, row.completed_at) if moment is not None]
            self.add(closing(row, before.last + 1), max(moments, default=None))

    def add(self, data: bytes, at: datetime | None) -> None:
        """Whole events that came together."""
        for event in _events(data):
            item = event.item or _Item()
            step = EventStep(
                type=event.type,
                first=event.sequence_number,
                last=event.sequence_number,
                output_index=event.output_index,
                item_type=item.type,
                item_name=item.name,
                at=at,
                last_at=at,
            )
            before = self.found[-1] if self.found else None
            if before is not None and (before.type, before.output_index) == (step.type, step.output_index):
                self.found[-1] = msgspec.structs.replace(before, last=step.last, last_at=at)
            else:
                self.found.append(step)


def _events(data: bytes) -> Iterable[_Event]:
    for each in events(data):
        try:
            yield _read(data_of(each))
        except FAULTS:
            continue
