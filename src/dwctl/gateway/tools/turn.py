"""The tools that one answer of the model calls: run beside each other, so many at a time."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from dwctl.gateway.tools.counts import ToolCounts
from dwctl.gateway.tools.offer import Offer
from dwctl.gateway.tools.run import CANCELLED, OK, TIMEOUT, Result, ToolRun, key_of
from dwctl.gateway.tools.settings import ToolSettings
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.requests.record import ToolCalled

NOT_RUN = "Error: the tool was not run, for the limit of this response is reached."
COMPLETED, FAILED, LEFT_OUT = "completed", "failed", "incomplete"
"""What becomes of a call's item."""
_encode = msgspec.json.Encoder().encode


class Wanted(NamedTuple):
    """What the model calls of the server's tools."""

    place: int
    """Of its item in the answer."""
    item_id: str
    call_id: str
    """By which the model server knows it."""
    name: str
    arguments: str


class _Called(NamedTuple):
    place: int
    item_id: str
    call_id: str
    name: str
    arguments: str
    key: str


class Turn:
    """Those of one call; used again for each of its answers."""

    __slots__ = (
        "_began",
        "_client",
        "_counts",
        "_done",
        "_left",
        "_most",
        "_now",
        "_offer",
        "_order",
        "_perf",
        "_results",
        "_running",
        "_same",
        "_settings",
        "_told",
        "_until",
        "_waiting",
        "called",
        "late",
    )  # fmt: skip

    def __init__(
        self,
        client: UpstreamClient,
        settings: ToolSettings,
        counts: ToolCounts,
        perf: Callable[[], float],
        now: Callable[[], float],
        offer: Offer,
    ) -> None:
        self._client = client
        self._settings = settings
        self._counts = counts
        self._perf = perf
        self._now = now
        self._offer = offer
        self._most = settings.max_calls if offer.most is None else min(settings.max_calls, offer.most)
        """Calls that may still run."""
        self._same: Counter[tuple[str, str]] = Counter()
        """How often a tool was called with the same arguments."""
        self._running: dict[int, ToolRun] = {}
        """By the place of their results."""
        self._waiting: deque[_Called] = deque()
        self._order: list[_Called] = []
        self._results: dict[int, str] = {}
        self._left = 0
        self._until = 0.0
        self.called: list[ToolCalled] = []
        """What was called, in the order in which it ended."""
        self._began: dict[int, tuple[_Called, float]] = {}
        """What runs, and since when."""
        self.late = False
        """Whether the time of the whole response was over before all had run."""

    def run(
        self,
        ident: str,
        wanted: Sequence[Wanted],
        until: float | None,
        told: Callable[[int, str, str], None],
        done: Callable[[], None],
    ) -> None:
        """Run what the model calls, for the row `ident`, until that moment; None runs nothing.

        `told` is called with each call's place, its result and what has become of it, `done` after the last one.
        """
        self._told, self._done = told, done
        self._until = until or 0.0
        self._order, self._results = [], {}
        self._left = len(wanted)
        for each in wanted:
            number = self._same[each.name, each.arguments]
            self._same[each.name, each.arguments] += 1
            called = _Called(*each, key_of(ident, each.name, each.arguments, number))
            self._order.append(called)
            if until is not None and self._most > 0:
                self._most -= 1
                self._waiting.append(called)
            else:
                self._skip(called)
        self._begin_some()

    def results(self) -> list[bytes]:
        """As items, in the order of the calls."""
        return [
            _encode(
                {
                    "type": "function_call_output",
                    "call_id": called.call_id,
                    "output": self._results[called.place],
                }
            )
            for called in self._order
        ]

    def cancel(self) -> None:
        """Nobody wants to know any more."""
        self._waiting.clear()
        running, self._running = self._running, {}
        for place, run in running.items():
            run.cancel()
            self._note(place, CANCELLED)

    def _begin_some(self) -> None:
        while self._waiting and len(self._running) < self._settings.max_parallel:
            called = self._waiting.popleft()
            now = self._perf()
            if now >= self._until:
                self.late = True
                self._skip(called)
                continue
            tool = self._offer.tools[called.name]
            left = self._until - now
            within = min(tool.timeout, left)

            def ended(result: Result, called: _Called = called, last: bool = left < tool.timeout) -> None:
                self.late = self.late or (last and result.outcome == TIMEOUT)
                self._ended(called, result)

            run = ToolRun(tool, self._settings.max_result_bytes, ended, now + within)
            self._running[called.place] = run
            self._began[called.place] = called, now
            run.begin(self._client, called.key, called.arguments, within)
        if not self._left:
            self._done()

    def _skip(self, called: _Called) -> None:
        self._counts.skipped(called.name)
        self._take(called, NOT_RUN, LEFT_OUT)

    def _ended(self, called: _Called, result: Result) -> None:
        if self._running.pop(called.place, None) is None:
            # The call is over.
            return
        self._note(called.place, result.outcome)
        self._take(called, result.text, COMPLETED if result.outcome == OK else FAILED)
        self._begin_some()

    def _note(self, place: int, outcome: str) -> None:
        """A tool was called."""
        called, began = self._began.pop(place)
        seconds = self._perf() - began
        self._counts.ran(called.name, outcome, seconds)
        self.called.append(
            ToolCalled(
                source_id=self._offer.tools[called.name].id,
                name=called.name,
                outcome=outcome,
                latency_ms=seconds * 1000,
                item_id=called.item_id,
                ended_at=self._now(),
            )
        )

    def _take(self, called: _Called, text: str, status: str) -> None:
        self._results[called.place] = text
        self._left -= 1
        self._told(called.place, text, status)
