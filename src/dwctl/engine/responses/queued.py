"""Takes the gateway's calls that are to be queued (spec/responses §2.7 to §2.9): accepts them, and answers.

Accepted means committed: row, content and place in the queue, many calls in one transaction. Then a background call is
answered with its response as it stands, and a blocking one waits for its end by notice, and looks itself now and then.
One that wants a stream gets it at once: what comes of a background call while it runs, of any other one its answer as
events when it is there, and comments until then (streams.py).

Wakes on: calls that the gateway hands over. Writes: `requests`, `contents`, `queue`, `lanes`. If the process dies
before the commit, the client has no answer and nothing was queued; after it the call is run and can be fetched, also by
a client that saw its connection end. May be lost: nothing that was answered.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import asyncpg
import msgspec

from dwctl.core.ids import new_uuid
from dwctl.core.services import TaskSet
from dwctl.db.postgres import reason_of
from dwctl.engine.responses.settings import AsyncRequestSettings
from dwctl.engine.responses.sse_answer import SseAnswer
from dwctl.engine.responses.streams import BEFORE, EventStreams
from dwctl.requests.endings import Endings
from dwctl.requests.queue.store import QueueStore
from dwctl.requests.queue.structs import Single
from dwctl.requests.queue.windows import REALTIME, deadline_of
from dwctl.requests.reassemble import object_of
from dwctl.requests.record import State
from dwctl.requests.render import response_object
from dwctl.requests.store import RequestStore, StoredRequest
from dwctl.requests.writer import AWAY
from dwctl.routing.hidden_keys.store import HiddenKeys
from dwctl.wire.answers.fields import FAULTS
from dwctl.wire.dates import date_line
from dwctl.wire.errors import Problem, Refused, render, status_line
from dwctl.wire.exchange import Exchange
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
_id = Member("id")


class Taken(msgspec.Struct, gc=False):
    """A call on its way into the queue."""

    exchange: Exchange
    call: QueuedCall
    single: Single
    left: bool = False
    """Whether its client has left."""


class QueuedCalls:
    """Implements `Stateful`; a service."""

    name = "queued-calls"

    def __init__(
        self,
        queue: QueueStore,
        requests: RequestStore,
        keys: HiddenKeys,
        endings: Endings,
        streams: EventStreams,
        settings: AsyncRequestSettings,
    ) -> None:
        self._queue = queue
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
        if len(self._incoming) >= self._settings.max_waiting:
            raise Refused(_FULL)
        window = self._settings.completion_window
        single = Single(
            id=new_uuid(),
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
            body=for_the_upstream(call.body, call.model),
            stream=call.stream,
            background=call.background,
            purpose="batch" if call.flex else "realtime",
            service_tier="flex" if call.flex else "default",
            user_agent=call.user_agent,
        )
        taken = Taken(exchange, call, single)
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
                    accepted = await self._accept(taken)
                    for one in taken:
                        if not accepted:
                            self._answer(one, render(_NOT_QUEUED, self._lines(one)))
                        elif one.call.stream:
                            self._begin(one)
                        elif one.call.background:
                            self._acknowledge(one)
                        elif not one.left:
                            self._waiting.spawn(self._answer_later(one), name=f"wait for {one.single.id}")
        finally:
            await self._waiting.cancel()

    async def stop(self) -> None:
        """Calls that still wait to be accepted are refused: nothing was queued for them."""
        for one in self._incoming:
            self._answer(one, render(_NOT_QUEUED, self._lines(one)))
        self._incoming.clear()

    def _on_left(self, taken: Taken) -> None:
        taken.left = True

    async def _accept(self, taken: list[Taken]) -> bool:
        try:
            singles = [await self._with_key(one) for one in taken]
            await self._queue.enqueue(singles)
        except (*AWAY, asyncpg.PostgresError) as error:
            logger.warning("%d calls could not be queued: %s", len(taken), reason_of(error))
            return False
        return True

    async def _with_key(self, taken: Taken) -> Single:
        call = taken.call
        if not call.flex:
            return taken.single
        place = (call.owner_id, call.creator_id)
        known = self._run_keys.get(place)
        if known is None:
            found = await self._keys.key(UUID(place[0]), UUID(place[1]))
            known = self._run_keys[place] = found.id
        return msgspec.structs.replace(taken.single, run_key_id=known)

    def _acknowledge(self, taken: Taken) -> None:
        shown = response_object(as_stored(taken.single))
        if not taken.call.flex:
            # The contract's word for a call that is not put off.
            shown["status"] = "in_progress"
        self._answer(taken, self._rendered(taken, 202, msgspec.json.encode(shown)))

    def _begin(self, taken: Taken) -> None:
        if taken.left:
            return
        task = self._waiting.spawn(self._stream(taken), name=f"stream of {taken.single.id}")
        taken.exchange.on_abort = partial(_end, task)

    async def _stream(self, taken: Taken) -> None:
        call, answer = taken.call, SseAnswer(taken.exchange, self._lines(taken))
        try:
            row = await self._streams.read(taken.single.id)
            if row is None:
                raise LookupError("the call is gone")
            if call.path == RESPONSES:
                events = self._streams.events(row, BEFORE)
            else:
                events = self._streams.chunks(row, usage=wants_usage(call.body))
            async with aclosing(events):
                await answer.send(events)
        except Exception:
            logger.exception("the stream of %s was cut", taken.single.id)
            answer.cut()

    async def _answer_later(self, taken: Taken) -> None:
        try:
            await self._wait(taken)
        except Exception:
            # One call's trouble is nobody else's, and its client is not left waiting.
            logger.exception("the answer of %s could not be made", taken.single.id)
            self._answer(taken, render(_NOT_MADE, self._lines(taken)))

    async def _wait(self, taken: Taken) -> None:
        """Until the call has ended, the client has left, or it has waited long enough."""
        loop = asyncio.get_running_loop()
        until = loop.time() + WAIT_MOST
        with self._endings.waiting(taken.single.id) as woken:
            taken.exchange.on_abort = partial(self._on_left_waiting, taken, woken.set)
            while not taken.left:
                woken.clear()
                row = await self._look(taken.single.id)
                if row is not None:
                    self._answer(taken, self._outcome(taken, row))
                    return
                if loop.time() >= until:
                    text = f"Request timed out: resp_{taken.single.id} is not complete after {WAIT_MOST:g}s"
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

    async def _look(self, request_id: UUID) -> StoredRequest | None:
        """The row once it has ended; a database that is away is waited for."""
        try:
            row = await self._requests.get(request_id)
        except (*AWAY, asyncpg.PostgresError) as error:
            logger.warning("the end of %s is not known: %s", request_id, reason_of(error))
            return None
        return row if row is not None and row.state >= State.FAILED else None

    def _outcome(self, taken: Taken, row: StoredRequest) -> bytes:
        """The answer of a call that has ended: the response, or what the model server said of a chat."""
        failed = row.state != State.COMPLETED
        status = row.status_code or 500 if failed else 200
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
        exchange, ident = taken.exchange, str(taken.single.id).encode()
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


def as_stored(single: Single) -> StoredRequest:
    """A call that has just been accepted, as it would be read back."""
    return StoredRequest(
        id=single.id,
        attempt=1,
        state=State.PENDING,
        stream=single.stream,
        background=single.background,
        status_code=None,
        created_at=datetime.now(UTC),
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


def for_the_upstream(body: bytes, model: str) -> bytes:
    """The body without what concerns us alone: an upstream that knows these would queue the call, or stream it.

    It names the model that was admitted, which a header may have said.

    Raises `Refused` for names that cannot be read; values go on as they came.
    """
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except FAULTS as error:
        raise Refused(Problem(status=400, message="The body is not valid JSON.")) from error
    # Whether it streams is said when it is run.
    for name in ("service_tier", "background", "stream", "stream_options"):
        fields.pop(name, None)
    fields["model"] = msgspec.Raw(msgspec.json.encode(model))
    return msgspec.json.encode(fields)


def _end(task: asyncio.Task[None]) -> None:
    task.cancel()


def wants_usage(body: bytes) -> bool:
    """Whether the client of a stream asks for the usage at its end."""
    options = (object_of(body) or {}).get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True
