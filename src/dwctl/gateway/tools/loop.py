"""A call whose model uses tools of the server, from its first round to its record (decision 0042).

    round → answer → calls of such tools? no → the answer is the client's
      ↑                 | yes
      |              tools run → a function of the client called too, or a bound reached? → the answer is the client's
      |                 | no
      +-----------------+

Order of writing and sending is that of any call: its start is in the spool before the first round goes upstream, its
end before the last bytes go to the client. If the process dies in between, the call ends as `interrupted`, and what
tools have done stays done. A queued call then runs again from its beginning, tools included, unless something of its
stream was shown.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from dwctl.core.ids import new_id
from dwctl.gateway.admission import Caller
from dwctl.gateway.failures import INTERNAL
from dwctl.gateway.peeked import Peek
from dwctl.gateway.pipeline import Gateway
from dwctl.gateway.record import CLIENT_LEFT
from dwctl.gateway.reply import connection_line, our_lines
from dwctl.gateway.tools.counts import ToolCounts
from dwctl.gateway.tools.merged import Merged, summed
from dwctl.gateway.tools.offer import Offer
from dwctl.gateway.tools.reply import Reply
from dwctl.gateway.tools.round_call import RoundCall
from dwctl.gateway.tools.rounds import RoundGateway
from dwctl.gateway.tools.settings import ToolSettings
from dwctl.gateway.tools.totals import Totals
from dwctl.gateway.tools.turn import Turn, Wanted
from dwctl.gateway.upstream.client import UpstreamClient
from dwctl.requests.record import Record, State
from dwctl.wire.errors import Problem, render
from dwctl.wire.exchange import Exchange
from dwctl.wire.loose import decoded, object_of, string_of
from dwctl.wire.stateful import Expanded
from dwctl.wire.translate.chats import counted
from dwctl.wire.translate.problems import failure_of, problem_of_error, problem_of_reply
from dwctl.wire.translate.stream import BROKEN_OFF

logger = logging.getLogger(__name__)

Json = dict[str, Any]
CUT = "max_tool_calls"
"""Why a response is incomplete whose model would have called more tools than a bound lets it."""
_LIMITED = 429
_COMPLETED = int(State.COMPLETED)
_FAILED = int(State.FAILED)
_encode = msgspec.json.Encoder().encode


class ToolLoop:
    """One call. Implements `Loop`."""

    def __init__(
        self,
        *,
        gateway: Gateway,
        rounds: RoundGateway,
        client: UpstreamClient,
        settings: ToolSettings,
        counts: ToolCounts,
        exchange: Exchange,
        caller: Caller,
        peeked: Peek,
        offer: Offer,
    ) -> None:
        self._gateway = gateway
        self._rounds = rounds
        self._settings = settings
        self._counts = counts
        self._exchange = exchange
        self._caller = caller
        self._peeked = peeked
        self._offer = offer
        expanded = peeked.expanded
        self._ident = new_id() if expanded is None else expanded.ident
        self._echoed = {**({} if expanded is None else expanded.echoed), **offer.echoed}
        self._reply = Reply(exchange, gateway.recording)
        self._totals = Totals()
        self._usage: Any = None
        self._asked = 0
        """How many rounds there have been."""
        self._given: list[bytes] = []
        """Items since the client's own, as the model server is told of them."""
        self._until = gateway.perf() + settings.total_time
        self._turn = Turn(client, settings, counts, gateway.perf, gateway.now, offer)
        self._call: RoundCall | None = None
        """The round that is under way."""
        self._timer: asyncio.TimerHandle | None = None
        self._over = False
        self._record: Record | None = None
        """The call's; None until its first round is admitted."""
        self._merged = Merged(self._ident, offer.tools)

    def begin(self) -> None:
        """Ask the model for the first time; raises what a call is refused with."""
        self._exchange.on_abort = self.abort
        self._ask(self._offer.body)

    def began(self, record: Record) -> None:
        """The call has begun."""
        self._record = record
        self._merged = Merged(record.id, self._offer.tools)

    def refused(self, problem: Problem) -> None:
        """The model is not asked."""
        if self._over:
            return
        self._call = None
        if self._record is None:
            self._over = True
            self._exchange.on_abort = None
            self._gateway.forget(self._peeked)
            self._gateway.refuse(self._exchange, problem)
            return
        wait = _wait_of(problem)
        if wait is not None and self._gateway.perf() + wait < self._until:
            # A limit is waited for: the call is under way, and its client has seen some of it.
            self._later(wait, self._ask_again)
        else:
            self._fail(problem)

    def opened(self, call: RoundCall) -> None:
        """Events follow."""
        if call.first:
            self._reply.open(call.head, self._writable)

    def told(self, data: bytes) -> None:
        """Some of them."""
        told = self._merged.feed(data)
        if self._reply.begun:
            self._reply.write(told)

    def ended(self, call: RoundCall) -> None:
        """The model has answered."""
        if not self._over:
            self._call = None
            self._step(self._ended, call)

    def _step(self, step: Callable[..., None], *args: object) -> None:
        """What fails in a step ends the call: nobody else would."""
        try:
            step(*args)
        except Exception:
            logger.exception("a call with tools failed in the gateway")
            if not self._over:
                self._fail(INTERNAL)

    def _ended(self, call: RoundCall) -> None:
        record = call.record
        if record is not None:
            self._totals.add(record)
        if not call.streams:
            response = decoded(call.whole) if call.head[9:10] == b"2" else None
            if not isinstance(response, dict) or not isinstance(response.get("output"), list):
                self._pass_on(call)
                return
            self._merged.whole(response)
        if self._merged.response is None or record is None or record.state != _COMPLETED:
            self._broke_off(record)
            return
        self._answered(call, self._merged.response, record)

    def abort(self) -> None:
        """The client has left, or nobody wants the answer any more: what is under way is ended."""
        if self._over:
            return
        self._over = True
        self._reply.leave()
        self._turn.cancel()
        self._stop_timer()
        call, self._call = self._call, None
        if call is not None:
            call.leave()
            if call.record is not None:
                self._totals.add(call.record)
        if self._record is None:
            self._gateway.forget(self._peeked)
            return
        self._note(CLIENT_LEFT.status, b"", (CLIENT_LEFT.code, CLIENT_LEFT.message))

    def _ask(self, body: bytes) -> None:
        call = self._call = RoundCall(self, self._exchange, first=self._record is None)
        self._asked += 1
        self._counts.rounds += 1
        self._merged.begin()
        expanded = Expanded(body=body, ident=self._ident, echoed=self._echoed)
        peeked = msgspec.structs.replace(self._peeked, expanded=expanded)

        def start(exchange: Exchange) -> None:
            self._rounds.start(exchange, self._caller, None, peeked)

        self._rounds.step(call, start)

    def _ask_again(self) -> None:
        self._timer = None
        self._asked -= 1
        self._ask(self._offer.following(self._given))

    def _answered(self, call: RoundCall, response: Json, record: Record) -> None:
        """A whole answer: the tools that it calls run, or it is the last one."""
        calls, sent = self._merged.settle()
        self._given += sent
        self._usage = summed(self._usage, object_of(response.get("usage")) or _counted(record))
        if self._reply.begun and not call.streams:
            self._reply.write(self._merged.unfolded())
        ours = [call for call in calls if call.ours]
        if response.get("status") != "completed" or not ours:
            self._finish(call, response)
            return
        late = self._gateway.perf() >= self._until
        runs = self._asked < self._settings.max_rounds and not late
        mixed = len(ours) < len(calls)
        output = self._merged.output
        wanted = [
            Wanted(
                each.place, string_of(output[each.place].get("id")), each.call_id, each.name, each.arguments
            )
            for each in ours
        ]

        def done() -> None:
            self._step(self._ran, call, response, mixed, not runs)

        self._later_comment()
        self._turn.run(self._merged.ident, wanted, self._until if runs else None, self._result, done)

    def _result(self, place: int, text: str, status: str) -> None:
        """What came of a tool."""
        self._told_client(self._merged.close_call(place, text, status))

    def _ran(self, call: RoundCall, response: Json, mixed: bool, cut: bool) -> None:
        """All tools of a round have run."""
        self._stop_timer()
        self._given += self._turn.results()
        late = not mixed and (self._turn.late or self._gateway.perf() >= self._until)
        if cut or late or mixed:
            self._finish(call, response, cut=cut or late)
        else:
            self._ask(self._offer.following(self._given))

    def _finish(self, call: RoundCall, response: Json, *, cut: bool = False) -> None:
        """The answer is complete."""
        now = self._gateway.now()
        self._told_client(self._merged.close_open())
        final = {**response, "output": self._merged.output, "usage": self._usage}
        if cut:
            final |= {"status": "incomplete", "incomplete_details": {"reason": CUT}, "completed_at": None}
        elif final.get("completed_at") is not None:
            final["completed_at"] = int(now)
        body = _encode(final)
        self._note(200, body, None, now)
        if self._reply.begun:
            self._reply.end(self._merged.closing(f"response.{final['status']}", final))
        else:
            self._reply.whole(call.head, body)

    def _pass_on(self, call: RoundCall) -> None:
        """An answer that is no response: an error, most likely."""
        status, body, record = int(call.head[9:12]), call.whole, call.record
        if self._reply.begun:
            self._fail(problem_of_reply(status, body))
            return
        failed = record is None or record.state != _COMPLETED
        error = None if not failed else _error_of(record)
        self._note(status, body, error)
        self._reply.whole(call.head, body)

    def _broke_off(self, record: Record | None) -> None:
        """A stream that did not come to a good end."""
        end = self._merged.end
        if end is not None and end.get("type") == "error" and self._merged.begun is None:
            event = self._merged.error(end)
            self._note(200 if record is None else record.status_code, b"", _error_of(record))
            self._reply.end(event)
            return
        response = self._merged.response
        error = object_of(None if response is None else response.get("error"))
        problem = problem_of_error(error or end) if error or end else BROKEN_OFF
        if record is not None and record.state != _COMPLETED:
            problem = msgspec.structs.replace(problem, status=record.status_code, code=record.error_code)
        self._merged.settle()
        self._fail(problem)

    def _fail(self, problem: Problem) -> None:
        """There will be no whole answer."""
        error = (problem.code or "upstream_error", problem.message)
        if not self._reply.begun:
            lines = our_lines(self._merged.ident.encode(), None) + self._caller.cors
            lines += connection_line(self._exchange, keep_alive=self._exchange.keep_alive)
            self._note(problem.status, problem.body(), error)
            self._reply.rendered(render(problem, lines))
            return
        self._told_client(self._merged.close_open())
        failed = {
            **(self._merged.begun or {}),
            "status": "failed",
            "output": self._merged.output,
            "usage": self._usage,
            "error": failure_of(problem),
        }
        self._note(problem.status, _encode(failed), error)
        self._reply.end(self._merged.closing("response.failed", failed))

    def _note(
        self, status: int, body: bytes, error: tuple[str | None, str] | None, now: float | None = None
    ) -> None:
        """The one place where the call ends in its record."""
        record = self._record
        self._over = True
        self._stop_timer()
        if record is None:
            return
        gateway = self._gateway
        self._totals.into(record)
        record.tool_calls = self._turn.called or None
        record.status_code = status
        record.state = _COMPLETED if error is None else _FAILED
        if error is not None:
            record.error_code, record.error_message = error
        record.response_size = len(body)
        record.duration_ms = (gateway.perf() - self._exchange.received) * 1000
        record.completed_at = gateway.now() if now is None else now
        gateway.recording.finish(record, body if len(body) <= gateway.max_record_bytes else b"")
        gateway.ended(record)

    def _writable(self, ready: bool) -> None:
        """The client reads too slowly, or has caught up."""
        call = self._call
        if call is not None and call.on_writable is not None:
            call.on_writable(ready)

    def _told_client(self, event: bytes) -> None:
        if self._reply.begun:
            self._reply.write(event)

    def _later(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def _later_comment(self) -> None:
        every = self._gateway.stream_keep_alive
        if every and self._reply.begun:
            self._later(every, self._comment)

    def _comment(self) -> None:
        """A tool takes its time: the stream says that it lives."""
        self._reply.comment()
        self._later_comment()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def _wait_of(problem: Problem) -> float | None:
    """Seconds after which a limit of ours lets the call go on."""
    told = dict(problem.headers).get(b"retry-after")
    return float(told) if problem.status == _LIMITED and told is not None and told.isdigit() else None


def _error_of(record: Record | None) -> tuple[str | None, str]:
    if record is None:
        return BROKEN_OFF.code, BROKEN_OFF.message
    return record.error_code, record.error_message or BROKEN_OFF.message


def _counted(record: Record) -> Json | None:
    """Where the model server told none."""
    if record.total_tokens is None:
        return None
    return counted(
        record.prompt_tokens or 0,
        record.cached_tokens or 0,
        record.cache_write_tokens or 0,
        record.completion_tokens or 0,
        record.reasoning_tokens or 0,
    )
