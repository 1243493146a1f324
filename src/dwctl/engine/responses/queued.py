"""Takes the gateway's calls that are to be queued (spec/responses §2.7 to §2.9): accepts them, and answers.

Accepted means committed: row, content and place in the queue, many calls in one transaction. Then a background call is
answered with its response as it stands, and a blocking one waits for its end by notice, and looks itself now and then.
One that wants a stream gets it at once: what comes of a background call while it runs, of any other one its answer as
events when it is there, and comments until then (streams.py).

Wakes on: calls that the gateway hands over. Writes: `requests`, `contents`, `queue`, `lanes`. If the process dies
before the commit, the client has no answer and nothing was queued; after it the call is run and can be fetched, also by
a client that saw its connection end; a repeated call with the same key finds it (accepting.py). May be lost: nothing
that was answered.

A blocking call with `store: false` is kept in the queue as any other, so that it is run whatever dies; its content goes
when its client has the answer, or else with the housekeeping, and nobody reads it as a response at any time.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from functools import partial
from uuid import UUID

import asyncpg
import msgspec

from dwctl.core.ids import new_uuid
from dwctl.core.services import TaskSet
from dwctl.db.postgres import reason_of
from dwctl.engine.responses.accepting import Acceptance, Order
from dwctl.engine.responses.asked import asked_of, key_of
from dwctl.engine.responses.settings import AsyncRequestSettings
from dwctl.engine.responses.sse_answer import SseAnswer
from dwctl.engine.responses.streams import BEFORE, EventStreams
from dwctl.requests.endings import Endings
from dwctl.requests.queue.structs import Single
from dwctl.requests.queue.windows import REALTIME, deadline_of
from dwctl.requests.reassemble import object_of
from dwctl.requests.record import State
from dwctl.requests.render import no_response, response_object
from dwctl.requests.singles.store import SingleStore
from dwctl.requests.store import RequestStore, StoredRequest
from dwctl.requests.writer import AWAY
from dwctl.routing.hidden_keys.store import HiddenKeys
from dwctl.wire.errors import Problem, Refused, render
from dwctl.wire.exchange import Exchange
from dwctl.wire.heads import date_line, status_line
from dwctl.wire.splice import Member
from dwctl.wire.stateful import QueuedCall

logger = logging.getLogger(__name__)

AT_ONCE = 500
"""Calls that one transaction accepts."""
LOOK_EVERY = 5.0
"""Seconds after which a waiting call looks for its end without a notice."""
WAIT_MOST = 3600.0
"""Seconds that a blocking call waits; its request runs on."""
RESPONSES = "/v1/responses"
_NOT_QUEUED = Problem(status=500, message="Failed to enqueue request", type="server_error")
_NOT_MADE = Problem(
    status=500, message="The answer could not be made.", type="server_error", code="internal_error"
)
_FULL = Problem(
    status=503,
    message="Too many calls are waiting to be queued; try again.",
    type="server_error",
    code="service_unavailable",
    headers=((b"retry-after", b"1"),),
)
_REUSED = Problem(
    status=422,
    message="This Idempotency-Key was used with another body.",
    code="idempotency_key_reused",
)
_NOT_STORED = Problem(
    status=400,
    message="'background' needs the response to be stored; leave out 'store' or set it to true.",
    param="store",
    code="invalid_value",
)
_KEY_NOT_STORED = Problem(
    status=400,
    message="An Idempotency-Key needs the response to be stored; leave out 'store' or set it to true.",
    param="store",
    code="invalid_value",
)
_CANCELLED = Problem(status=400, message="The call was cancelled.", code="cancelled")
_id = Member("id")


class Taken(msgspec.Struct, gc=False):
    """A call on its way into the queue."""

    exchange: Exchange
    call: QueuedCall
    order: Order
    request_id: UUID
    """Its own, or that of the earlier call that its key has made."""
    at: datetime | None = None
    """When it was made; None while it is not, and for an earlier one."""
    left: bool = False
    """Whether its client has left."""


class QueuedCalls:
    """Implements `Stateful`; a service."""

    name = "queued-calls"

    def __init__(
        self,
        acceptance: Acceptance,
        requests: RequestStore,
        singles: SingleStore,
        keys: HiddenKeys,
        endings: Endings,
        streams: EventStreams,
        settings: AsyncRequestSettings,
        give_back: Callable[[UUID, UUID], None],
    ) -> None:
        """`give_back` is told the conversation and the id of a call that had its place there and is not queued."""
        self._acceptance = acceptance
        self._give_back = give_back
        self._singles = singles
        self._keys = keys
        self._requests = requests
        self._endings = endings
        self._streams = streams
        self._settings = settings
        self._incoming: deque[Taken] = deque()
        self._some = asyncio.Event()
        self._run_keys: dict[tuple[str, str], UUID] = {}
        self._waiting = TaskSet()

    def take(self, exchange: Exchange, call: QueuedCall) -> None:
        """Queue it; raises `Refused` for what cannot be."""
        key = key_of(exchange.header(b"idempotency-key"))
        if not call.stored and (call.background or key is not None):
            raise Refused(_NOT_STORED if call.background else _KEY_NOT_STORED)
        if len(self._incoming) >= self._settings.max_waiting:
            raise Refused(_FULL)
        asked = asked_of(call.body, call.path, call.model)
        window = self._settings.completion_window
        single = Single(
            id=new_uuid() if call.ident is None else UUID(call.ident),
            group_id=new_uuid(),
            tier="flex" if call.flex else "background",
            path=call.path,
            model=call.model,
            owner_id=UUID(call.owner_id),
            creator_id=UUID(call.creator_id),
            key_id=UUID(call.key_id),
            # A call that is only in the background is the key's own; flex is work of the account, as a batch's is.
            run_key_id=UUID(call.key_id),
            completion_window=window if call.flex else REALTIME,
            deadline=deadline_of(window),
            body=asked.body,
            stream=call.stream,
            background=call.background,
            purpose="batch" if call.flex else "realtime",
            service_tier="flex" if call.flex else "default",
            user_agent=call.user_agent,
            stored=call.stored,
        )
        taken = Taken(exchange, call, Order(single, key, asked.digest), single.id)
        exchange.on_abort = partial(self._on_left, taken)
        self._incoming.append(taken)
        self._some.set()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Accept what comes in, together what has gathered meanwhile."""
        try:
            while True:
                await self._some.wait()
                self._some.clear()
                while self._incoming:
                    taken = [self._incoming.popleft() for _ in range(min(len(self._incoming), AT_ONCE))]
                    for one in await self._accept(taken):
                        if one.call.stream:
                            self._begin(one)
                        elif one.call.background and one.at is not None:
                            self._acknowledge(one, as_stored(one.order.single, one.at))
                        elif not one.left:
                            self._waiting.spawn(self._answer_later(one), name=f"wait for {one.request_id}")
        finally:
            await self._waiting.cancel()

    async def stop(self) -> None:
        """Calls that still wait to be accepted are refused: nothing was queued for them."""
        for one in self._incoming:
            self._refuse(one, _NOT_QUEUED)
        self._incoming.clear()

    def _on_left(self, taken: Taken) -> None:
        taken.left = True

    async def _accept(self, taken: list[Taken]) -> list[Taken]:
        """Those that are accepted now or were before; the others are answered."""
        try:
            for one in taken:
                one.order = msgspec.structs.replace(one.order, single=await self._with_key(one))
            made = await self._acceptance.accept([one.order for one in taken])
        except (*AWAY, asyncpg.PostgresError) as error:
            logger.warning("%d calls could not be queued: %s", len(taken), reason_of(error))
            for one in taken:
                self._refuse(one, _NOT_QUEUED)
            return []
        accepted = []
        for one, what in zip(taken, made, strict=True):
            if what.request_id is None:
                self._refuse(one, _REUSED)
                continue
            if what.request_id != one.request_id:
                # An earlier call's answer is its own: it adds nothing to the conversation.
                self._leave(one)
            one.request_id, one.at = what.request_id, what.at
            accepted.append(one)
        return accepted

    def _refuse(self, taken: Taken, problem: Problem) -> None:
        self._leave(taken)
        self._answer(taken, render(problem, self._lines(taken)))

    def _leave(self, taken: Taken) -> None:
        """Out of the conversation, before the client is told: its next call may come at once."""
        if taken.call.conversation is not None:
            self._give_back(UUID(taken.call.conversation), taken.order.single.id)

    async def _with_key(self, taken: Taken) -> Single:
        call, single = taken.call, taken.order.single
        if not call.flex:
            return single
        place = (call.owner_id, call.creator_id)
        known = self._run_keys.get(place)
        if known is None:
            found = await self._keys.key(UUID(place[0]), UUID(place[1]))
            known = self._run_keys[place] = found.id
        return msgspec.structs.replace(single, run_key_id=known)

    def _acknowledge(self, taken: Taken, row: StoredRequest) -> None:
        shown = response_object(row)
        if not taken.call.flex and row.standing == State.PENDING:
            # The contract's word for a call that is not put off.
            shown["status"] = "in_progress"
        self._answer(taken, self._rendered(taken, 202, msgspec.json.encode(shown)))

    def _begin(self, taken: Taken) -> None:
        if taken.left:
            return
        task = self._waiting.spawn(self._stream(taken), name=f"stream of {taken.request_id}")
        taken.exchange.on_abort = partial(_end, task)

    async def _stream(self, taken: Taken) -> None:
        call, answer = taken.call, SseAnswer(taken.exchange, self._lines(taken))
        try:
            if taken.at is not None:
                # Just now: there is no need to read it.
                row: StoredRequest | None = as_stored(taken.order.single, taken.at)
            else:
                row = await self._streams.read(taken.request_id, unstored=not call.stored)
            if row is None:
                # An earlier call with this key, whose response was deleted meanwhile.
                self._answer(taken, render(_gone(taken), self._lines(taken)))
                return
            if call.path == RESPONSES:
                events = self._streams.events(row, BEFORE, unstored=not call.stored)
            else:
                events = self._streams.chunks(row, usage=wants_usage(call.body), unstored=not call.stored)
            async with aclosing(events):
                await answer.send(events)
            if not call.stored:
                await self._drop(taken)
        except Exception:
            logger.exception("the stream of %s was cut", taken.request_id)
            answer.cut()

    async def _answer_later(self, taken: Taken) -> None:
        try:
            if taken.call.background:
                await self._repeat(taken)
            else:
                await self._wait(taken)
        except Exception:
            # One call's trouble is nobody else's, and its client is not left waiting.
            logger.exception("the answer of %s could not be made", taken.request_id)
            self._answer(taken, render(_NOT_MADE, self._lines(taken)))

    async def _repeat(self, taken: Taken) -> None:
        """What a background call's key has made, as it stands."""
        row = await self._requests.get(taken.request_id)
        if row is None:
            self._answer(taken, render(_gone(taken), self._lines(taken)))
        else:
            self._acknowledge(taken, row)

    async def _wait(self, taken: Taken) -> None:
        """Until the call has ended, the client has left, or it has waited long enough."""
        loop = asyncio.get_running_loop()
        until = loop.time() + WAIT_MOST
        with self._endings.waiting(taken.request_id) as woken:
            taken.exchange.on_abort = partial(self._on_left_waiting, taken, woken.set)
            while not taken.left:
                woken.clear()
                ended, row = await self._look(taken)
                if row is not None:
                    self._answer(taken, self._outcome(taken, row))
                    if not taken.call.stored:
                        await self._drop(taken)
                    return
                if ended:
                    self._answer(taken, render(_gone(taken), self._lines(taken)))
                    return
                if loop.time() >= until:
                    text = f"Request timed out: resp_{taken.request_id} is not complete after {WAIT_MOST:g}s"
                    problem = Problem(status=504, message=text, type="server_error", code="gateway_timeout")
                    self._answer(taken, render(problem, self._lines(taken)))
                    return
                try:
                    async with asyncio.timeout(LOOK_EVERY):
                        await woken.wait()
                except TimeoutError:
                    pass

    def _on_left_waiting(self, taken: Taken, wake: Callable[[], None]) -> None:
        taken.left = True
        wake()

    async def _look(self, taken: Taken) -> tuple[bool, StoredRequest | None]:
        """Whether it is over, and the row, if it was not deleted; a database that is away is waited for."""
        request_id = taken.request_id
        try:
            row = await self._requests.get(request_id, unstored=not taken.call.stored)
        except (*AWAY, asyncpg.PostgresError) as error:
            logger.warning("the end of %s is not known: %s", request_id, reason_of(error))
            return False, None
        if row is None:
            return True, None
        return (True, row) if row.state >= State.FAILED else (False, None)

    async def _drop(self, taken: Taken) -> None:
        try:
            await self._singles.drop_content(taken.request_id)
        except (*AWAY, asyncpg.PostgresError) as error:
            logger.warning("the content of %s goes later: %s", taken.request_id, reason_of(error))

    def _outcome(self, taken: Taken, row: StoredRequest) -> bytes:
        """The answer of a call that has ended: the response, or what the model server said of a chat."""
        failed = row.state != State.COMPLETED
        status = row.status_code or 500 if failed else 200
        if row.state == State.CANCELED:
            # Somebody wanted it so: the response says it, and for a chat there is none.
            status = 200
            if taken.call.path != RESPONSES:
                return render(_CANCELLED, self._lines(taken))
        if taken.call.path == RESPONSES:
            return self._rendered(taken, status, msgspec.json.encode(response_object(row)))
        if failed and not row.response:
            problem = Problem(
                status=status,
                message=row.error_message or "The call failed.",
                type="server_error",
                code=row.error_code,
            )
            return render(problem, self._lines(taken))
        body = row.response or b"{}"
        return self._rendered(
            taken, status, body if failed else _id.set(body, b'"resp_%b"' % str(row.id).encode())
        )

    def _rendered(self, taken: Taken, status: int, body: bytes) -> bytes:
        return b"%b%bcontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b" % (
            status_line(status),
            date_line(),
            self._lines(taken),
            len(body),
            body,
        )

    @staticmethod
    def _lines(taken: Taken) -> bytes:
        exchange, ident = taken.exchange, str(taken.request_id).encode()
        if not exchange.keep_alive:
            connection = b"connection: close\r\n"
        else:
            connection = b"" if exchange.chunked_ok else b"connection: keep-alive\r\n"
        return b"x-onwards-response-id: resp_%b\r\nx-request-id: %b\r\n%b%b" % (
            ident,
            ident,
            taken.call.lines,
            connection,
        )

    @staticmethod
    def _answer(taken: Taken, answer: bytes) -> None:
        if not taken.left:
            taken.exchange.finish(answer)


def _gone(taken: Taken) -> Problem:
    """Its response was deleted meanwhile."""
    return Problem(status=404, message=no_response(f"resp_{taken.request_id}"))


def as_stored(single: Single, at: datetime) -> StoredRequest:
    """A call that has just been accepted, as it would be read back."""
    return StoredRequest(
        id=single.id,
        attempt=1,
        state=State.PENDING,
        stream=single.stream,
        background=single.background,
        status_code=None,
        created_at=at,
        completed_at=None,
        owner_id=single.owner_id,
        creator_id=single.creator_id,
        path=single.path,
        model=single.model,
        service_tier=single.service_tier,
        prompt_tokens=None,
        completion_tokens=None,
        reasoning_tokens=None,
        cached_tokens=None,
        cache_write_tokens=None,
        total_tokens=None,
        error_code=None,
        error_message=None,
        request=single.body,
        response=None,
        batch_id=single.group_id,
    )


def _end(task: asyncio.Task[None]) -> None:
    task.cancel()


def wants_usage(body: bytes) -> bool:
    """Whether the client of a stream asks for the usage at its end."""
    options = (object_of(body) or {}).get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True
