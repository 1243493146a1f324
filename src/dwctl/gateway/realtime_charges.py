"""What a realtime session is charged, noted response by response (decision 0033).

Each note is an attempt of the session's row that has not ended, from the second on; the row's end is one more. So a
note that comes twice is charged once, and the row's cost is the sum whatever order they come in.
"""

from decimal import Decimal

import msgspec

from dwctl.gateway.realtime_tab import Tab
from dwctl.gateway.realtime_usage import MAX_MESSAGE, SessionUsage, Used
from dwctl.requests.record import Record, Recording
from dwctl.usage.credit.leases import ZERO
from dwctl.usage.prices import Tariff
from dwctl.usage.shapes import MAX_TOKENS, Tokens
from dwctl.wire.websocket_frames import MessageReader

MAX_NOTES = 32_000
"""An attempt is a small number: beyond it what is used goes to the row's end."""


class Charges:
    """Of one session."""

    def __init__(self, record: Record, tariff: Tariff | None, tab: Tab | None, recording: Recording) -> None:
        self.reader = MessageReader(MAX_MESSAGE)
        self.usage = SessionUsage()
        self._record = record
        self._tariff = tariff
        """What prices the session; None when it is free."""
        self._tab = tab
        self._recording = recording
        self._owed = ZERO
        """What is to be charged with the end."""

    def came(self, data: bytes) -> bool:
        """The server has sent this; whether something was noted that must be on disk before it goes on."""
        noted = False
        for message in self.reader.feed(data):
            used = self.usage.told(message)
            if used is not None:
                self._note(used)
                noted = True
            if self._tab is not None:
                self._tab.cover(self.usage.running)
        return noted

    def end(self) -> None:
        """The session ends: its record is about to be noted for the last time."""
        record, rest = self._record, self.usage.rest()
        cost = self._owed
        if rest is not None:
            mine = self._added(rest)
            cost += mine if self._tab is None else min(mine, self._tab.reserved)
        if record.attempt > 1:
            record.attempt += 1
        if self._tariff is not None:
            record.cost = cost

    def _note(self, used: Used) -> None:
        cost, record = self._added(used), self._record
        if record.attempt >= MAX_NOTES:
            self._owed += cost
            return
        record.attempt += 1
        note = msgspec.structs.replace(record)
        if self._tariff is not None:
            note.cost = cost
        self._recording.finish(note, b"")
        if self._tab is not None:
            self._tab.charge(cost)

    def _added(self, used: Used) -> Decimal:
        """Add it to the row; gives what it costs."""
        record, tokens = self._record, used.tokens
        record.prompt_tokens = _sum(record.prompt_tokens, tokens.input)
        record.completion_tokens = _sum(record.completion_tokens, tokens.output)
        record.reasoning_tokens = _sum(record.reasoning_tokens, tokens.reasoning)
        record.cached_tokens = _sum(record.cached_tokens, tokens.cached)
        record.cache_write_tokens = _sum(record.cache_write_tokens, tokens.cache_write)
        record.total_tokens = _sum(record.prompt_tokens, record.completion_tokens)
        if tokens.seconds is not None:
            record.audio_seconds = (record.audio_seconds or 0.0) + tokens.seconds
        record.estimated = record.estimated or used.estimated
        return ZERO if self._tariff is None else _cost(self._tariff, tokens)


def _cost(tariff: Tariff, tokens: Tokens) -> Decimal:
    return tariff.cost(tokens.input, tokens.output, tokens.cached, tokens.reasoning, tokens.cache_write)


def _sum(known: int | None, more: int | None) -> int | None:
    return known if more is None else min((known or 0) + more, MAX_TOKENS)
