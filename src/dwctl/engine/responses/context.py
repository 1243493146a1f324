"""Expands calls that refer to what is stored, before they are sent (decision 0038).

Wakes on: calls that the gateway hands over. Writes: `conversation_items`, the place of a call in its conversation,
which is committed before the call goes on. If the process dies after that and before the call's start is recorded, the
place has no row: for `BEGINS_WITHIN` seconds it keeps the conversation to itself, then it says nothing, and a day later
a call in the conversation deletes it. May be lost: nothing else, for items are read from rows and never copied.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Raw

from dwctl.core.errors import BadRequest, Error, Unavailable
from dwctl.core.services import TaskSet, run_within
from dwctl.db.postgres import reason_of
from dwctl.engine.conversations.store import ConversationStore
from dwctl.engine.responses.history import CONVERSATION, PREVIOUS, History, Locked, conversation_id_of
from dwctl.engine.responses.items import Asked, asked_of, items_of
from dwctl.engine.responses.outputs import stray_output
from dwctl.engine.responses.references import References
from dwctl.engine.responses.settings import ContextSettings
from dwctl.requests.writer import AWAY
from dwctl.wire.answers.fields import FAULTS
from dwctl.wire.errors import Problem
from dwctl.wire.stateful import ContextCall, Expanded

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Calls whose context is read at the same time: each may take a connection, and some need many."""
WITHIN = 10.0
"""Seconds, waiting for room included; a database that hangs is not waited for."""
TRIES = 5
"""How often a conversation is read that others write to meanwhile."""
_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


class ResponseContexts:
    """Implements `Contexts`; a service."""

    name = "contexts"

    def __init__(
        self,
        history: History,
        references: References,
        conversations: ConversationStore,
        settings: ContextSettings,
    ) -> None:
        self._history = history
        self._references = references
        self._conversations = conversations
        self._settings = settings
        self._reading = asyncio.Semaphore(AT_ONCE)
        # By conversation, the place that is being given back.
        self._leaving: dict[UUID, asyncio.Task[None]] = {}
        self._tasks = TaskSet()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Keep what is under way until the end."""
        try:
            await asyncio.Event().wait()
        finally:
            await self._tasks.cancel()

    async def stop(self) -> None:
        """Nobody waits any more: the port is closed."""

    def expand(self, call: ContextCall, told: Callable[[Expanded | Problem], None]) -> Callable[[], None]:
        """Begin it; see the protocol."""
        asking = _Asking(told)
        if len(self._tasks) >= self._settings.max_waiting:
            text = "Too many calls wait for what they go on from; try again."
            asyncio.get_running_loop().call_soon(asking.answer, _later(text))
        else:
            self._tasks.spawn(self._expand(call, asking), name=f"context of {call.ident}")
        return asking.leave

    def forget(self, expanded: Expanded) -> None:
        """Give the place back; best effort, for a place without a row is swept up all the same."""
        if expanded.conversation is not None:
            self.give_back(UUID(expanded.conversation), UUID(expanded.ident))

    def give_back(self, conversation: UUID, ident: UUID) -> None:
        """The same for a call that was put aside, and is not queued."""
        forgetting = self._forget(conversation, ident)
        self._leaving[conversation] = self._tasks.spawn(forgetting, name=f"forget {ident}")

    async def _forget(self, conversation: UUID, ident: UUID) -> None:
        try:
            await self._conversations.leave(conversation, ident)
        except (*AWAY, asyncpg.PostgresError) as error:
            logger.warning("the place of %s is left behind: %s", ident, reason_of(error))
        finally:
            if self._leaving.get(conversation) is asyncio.current_task():
                del self._leaving[conversation]

    async def _expand(self, call: ContextCall, asking: "_Asking") -> None:
        outcome = await self._outcome(call, asking)
        if outcome is not None and not asking.answer(outcome) and isinstance(outcome, Expanded):
            self.forget(outcome)

    async def _outcome(self, call: ContextCall, asking: "_Asking") -> Expanded | Problem | None:
        try:
            return await run_within(self._in_turn(call, asking), WITHIN, name=f"expand {call.ident}")
        except Locked:
            return Problem(
                status=409,
                message="A response in this conversation is still in progress; try again when it has ended.",
                param=CONVERSATION,
                code="conversation_locked",
                headers=((b"retry-after", b"1"),),
            )
        except Unavailable as error:
            return _later(error.message)
        except Error as error:
            return Problem(status=error.status, message=error.message, param=error.param, code=error.code)
        except (*AWAY, asyncpg.PostgresError) as error:
            logger.warning("the context of %s cannot be read: %s", call.ident, reason_of(error))
            return _later("What this call goes on from cannot be read now; try again.")
        except Exception:
            logger.exception("the context of %s cannot be read", call.ident)
            return Problem(
                status=500,
                message="The context of this call could not be read.",
                type="server_error",
                code="internal_error",
            )

    async def _in_turn(self, call: ContextCall, asking: "_Asking") -> Expanded | None:
        """When there is room; None when nobody wants to know any more."""
        async with self._reading:
            return await self._expanded(call) if asking.wants() else None

    async def _expanded(self, call: ContextCall) -> Expanded:
        asked = asked_of(call.body)
        if asked is None:
            raise BadRequest("The body is not valid JSON.")
        owner_id, own = UUID(call.owner_id), items_of(asked.input)
        previous, conversation = _named(asked)
        echoed: dict[str, bytes] = {}
        if conversation is not None:
            echoed[CONVERSATION] = _encode({"id": f"conv_{conversation}"})
            items, entered = await self._in_conversation(call, asked, conversation, owner_id, own)
        else:
            entered, items = False, own
            if previous is not None:
                echoed[PREVIOUS] = _encode(previous)
                items = await self._history.chain(previous, owner_id) + own
            items = await self._references.resolved(items, owner_id, self._settings.max_bytes)
            if previous is not None:
                _check_outputs(items, len(own))
        return Expanded(
            body=call.body if items is own else _body(call.body, items),
            ident=call.ident,
            echoed=echoed,
            conversation=str(conversation) if entered else None,
        )

    async def _in_conversation(
        self, call: ContextCall, asked: Asked, conversation: UUID, owner_id: UUID, own: list[Raw]
    ) -> tuple[list[Raw], bool]:
        """All items, and whether the call has got its place just now."""
        ident = UUID(call.ident)
        # Its client has been told that the call before is refused: that one does not stand in the way of this one.
        if (leaving := self._leaving.get(conversation)) is not None:
            await asyncio.wait((leaving,))
        for _ in range(TRIES):
            row = await self._conversations.get(conversation, owner_id)
            if row is None:
                raise _no_conversation(f"conv_{conversation}")
            place = await self._conversations.place(conversation, ident)
            before = row.last_entry + 1 if place is None else place
            items = await self._history.conversation(conversation, before, lock=not call.queued) + own
            items = await self._references.resolved(items, owner_id, self._settings.max_bytes)
            _check_outputs(items, len(own))
            if place is not None or asked.store is False:
                return items, False
            if await self._conversations.enter(conversation, owner_id, ident, row.last_entry) is not None:
                return items, True
        raise Locked


class _Asking:
    """Who wants to know."""

    __slots__ = ("_told",)

    def __init__(self, told: Callable[[Expanded | Problem], None]) -> None:
        self._told: Callable[[Expanded | Problem], None] | None = told

    def wants(self) -> bool:
        """Whether it still does."""
        return self._told is not None

    def leave(self) -> None:
        """Not any more."""
        self._told = None

    def answer(self, outcome: Expanded | Problem) -> bool:
        """Tell it; whether anybody wanted to know."""
        if self._told is None:
            return False
        self._told(outcome)
        return True


def _named(asked: Asked) -> tuple[str | None, UUID | None]:
    """What the call goes on from; raises `BadRequest`."""
    previous, given = asked.previous_response_id, asked.conversation
    if previous is not None and not isinstance(previous, str):
        raise _wrong_type(PREVIOUS, "a string")
    name: Any = given.get("id") if isinstance(given, dict) else given
    if given is not None and not isinstance(name, str):
        raise _wrong_type(CONVERSATION, "a string, or an object with the string 'id'")
    if previous is not None and name is not None:
        raise BadRequest(
            f"'{PREVIOUS}' and '{CONVERSATION}' exclude each other; send one of them.",
            param=PREVIOUS,
            code="mutually_exclusive_parameters",
        )
    if name is None:
        return previous, None
    conversation = conversation_id_of(name)
    if conversation is None:
        raise _no_conversation(name)
    return None, conversation


def _check_outputs(items: list[Raw], own: int) -> None:
    problem = stray_output(items, own)
    if problem is not None:
        raise BadRequest(problem.message, param=problem.param, code=problem.code)


def _body(body: bytes, items: list[Raw]) -> bytes:
    """The body with these items, and without what stood for them."""
    try:
        fields = _fields(body)
    except FAULTS as error:
        raise BadRequest("The body is not valid JSON.") from error
    fields.pop(PREVIOUS, None)
    fields.pop(CONVERSATION, None)
    fields["input"] = Raw(_encode(items))
    return _encode(fields)


def _no_conversation(name: str) -> BadRequest:
    text = f"Conversation with id '{name[:100]}' not found."
    return BadRequest(text, param=CONVERSATION, code="conversation_not_found")


def _wrong_type(field: str, expected: str) -> BadRequest:
    return BadRequest(f"Invalid type for '{field}': expected {expected}.", param=field, code="invalid_type")


def _later(text: str) -> Problem:
    return Problem(
        status=503,
        message=text,
        type="server_error",
        code="service_unavailable",
        headers=((b"retry-after", b"1"),),
    )
