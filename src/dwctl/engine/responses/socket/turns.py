"""Turns of one connection: what a message asks for, and what later turns may go on from. Pure.

A turn is an ordinary streamed call. What it says with `store: false` can be fetched by nobody afterwards, so the
connection itself remembers the last such response: its items, and the stored response before them, if there is one.
A turn that goes on from it is sent with these items before its own.

A turn with `generate: false` asks no model: it only adds to what the connection remembers, whatever it says of storing,
and is answered with a response that has no output. It is no call, so it has no row and costs nothing.
"""

from typing import Any

import msgspec

from dwctl.engine.responses.outputs import stray_output
from dwctl.wire.answers.fields import FAULTS
from dwctl.wire.errors import Problem, Refused
from dwctl.wire.splice import Member
from dwctl.wire.translate.echo import Call, echo_of, response_object

CREATE = "response.create"
ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_NO_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 0,
}
_ABSENT = msgspec.Raw(b"null")
_TRUE = msgspec.Raw(b"true")
_TRUE_OR_ABSENT = (b"true", b"null")
_response = Member("response")
_previous = Member("previous_response_id")
_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Said(msgspec.Struct):
    """What of a message we read."""

    type: str = ""
    previous_response_id: str | None = None
    store: bool | None = None
    input: str | list[msgspec.Raw] | None = None
    generate: bool | None = None
    model: Any = None
    """Judged where any call's is."""


class _Answered(msgspec.Struct):
    id: str = ""
    output: list[msgspec.Raw] = []


class _Event(msgspec.Struct):
    type: str = ""
    response: msgspec.Raw = _ABSENT


class Memory(msgspec.Struct, frozen=True):
    """The last response, when only the connection knows it."""

    response_id: str
    base: str | None
    """The stored response that its first turn went on from."""
    items: tuple[bytes, ...]
    """Everything since, inputs and outputs, as JSON."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    body: bytes
    """Of a streamed call of `/v1/responses`."""
    previous: str | None
    """The response that its client goes on from."""
    store: bool
    base: str | None
    """The stored response that the call itself goes on from."""
    items: tuple[bytes, ...]
    """Its input, with what was remembered before it."""
    own: int
    """How many of them its client has sent with it."""
    model: str
    generates: bool
    """Whether the model is asked."""

    @property
    def continues(self) -> bool:
        """Whether it goes on from what the connection remembers."""
        return self.previous != self.base


class Told(msgspec.Struct, frozen=True):
    """One event for the client."""

    text: bytes
    ends: bool = False
    failed: bool = False
    answered: Memory | None = None


def turn_of(message: bytes, memory: Memory | None) -> Turn:
    """The call that a message asks for; raises `Refused`."""
    try:
        fields = _fields_of(message)
    except FAULTS as error:
        raise _bad("A message must be a JSON object.") from error
    try:
        said = msgspec.json.decode(message, type=_Said)
    except FAULTS as error:
        raise _bad(f"The message cannot be read: {error}") from error
    if said.type != CREATE:
        raise _bad(f"'type' must be '{CREATE}', the one message that a client sends.", "type")
    for name, why in (
        ("stream", "every turn is streamed here"),
        ("background", "a turn runs on its connection"),
        ("stream_options", "it is for streams over HTTP"),
    ):
        value = bytes(fields.pop(name, _ABSENT))
        fine = value in _TRUE_OR_ABSENT if name == "stream" else value in (b"null", b"false")
        if not fine:
            raise _bad(f"'{name}' cannot be set over a WebSocket: {why}.", name)
    del fields["type"]
    fields.pop("generate", None)
    own = _items(said.input)
    previous = base = said.previous_response_id
    items = own
    if memory is not None and previous == memory.response_id:
        base, items = memory.base, (*memory.items, *own)
        fields["input"] = msgspec.Raw(b"[" + b",".join(items) + b"]")
        if base is None:
            del fields["previous_response_id"]
        else:
            fields["previous_response_id"] = msgspec.Raw(msgspec.json.encode(base))
    fields["stream"] = _TRUE
    return Turn(
        body=msgspec.json.encode(fields),
        previous=previous,
        store=said.store is not False,
        base=base,
        items=items,
        own=len(own),
        model=said.model if isinstance(said.model, str) else "",
        generates=said.generate is not False,
    )


def fault_of(turn: Turn) -> Problem | None:
    """What is wrong with what it says after what is remembered; what is stored is looked at by the call itself."""
    return stray_output(turn.items, turn.own) if turn.continues and turn.base is None else None


def warmed(turn: Turn, ident: str, moment: int) -> list[Told]:
    """The events of a turn that asks no model."""
    call = Call(ident=ident, created_at=moment, model=turn.model)
    echo = echo_of(turn.body)
    echo.fields["previous_response_id"] = turn.previous
    begun = response_object(call, echo, "in_progress")
    ended = response_object(call, echo, "completed", usage=_NO_USAGE, completed_at=moment)
    told = [("response.created", begun), ("response.in_progress", begun), ("response.completed", ended)]
    memory = Memory(ended["id"], turn.base, turn.items)
    return [
        Told(
            msgspec.json.encode({"type": kind, "sequence_number": number, "response": response}),
            ends=kind in ENDS,
            answered=memory if kind in ENDS else None,
        )
        for number, (kind, response) in enumerate(told)
    ]


def told(turn: Turn, data: bytes) -> Told:
    """An event of the call for the client; `data` is its JSON."""
    try:
        event = msgspec.json.decode(data, type=_Event)
    except FAULTS:
        return Told(data)
    response = bytes(event.response)
    ends = event.type in ENDS or event.type == "error"
    if response != b"null" and turn.continues:
        # The call did not say what it goes on from; the client did.
        data = _response.set(data, _previous.set(response, msgspec.json.encode(turn.previous)))
    answered = None
    if ends and not turn.store and event.type in ("response.completed", "response.incomplete"):
        answered = _answered(turn, response)
    return Told(data, ends, event.type in ("response.failed", "error"), answered)


def remembers(memory: Memory, most: int) -> bool:
    """Whether it is small enough to be kept."""
    return sum(map(len, memory.items)) <= most


def frame_of(problem: Problem) -> bytes:
    """An error as a message; the connection stays open for the next turn."""
    return msgspec.json.encode({"type": "error", "status": problem.status, "error": problem.inner()})


def frame_of_reply(status: int, body: bytes) -> bytes:
    """The same for an answer that is no stream."""
    error: Any = None
    try:
        found = msgspec.json.decode(body)
        error = found.get("error") if isinstance(found, dict) else None
    except FAULTS:
        pass
    if not isinstance(error, dict):
        problem = Problem(status=status, message="The call failed.", type="server_error", code="server_error")
        return frame_of(problem)
    return msgspec.json.encode({"type": "error", "status": status, "error": error})


def _answered(turn: Turn, response: bytes) -> Memory | None:
    try:
        said = msgspec.json.decode(response, type=_Answered)
    except FAULTS:
        return None
    return Memory(said.id, turn.base, (*turn.items, *(bytes(item) for item in said.output)))


def _items(given: str | list[msgspec.Raw] | None) -> tuple[bytes, ...]:
    if given is None:
        return ()
    if isinstance(given, str):
        return (msgspec.json.encode({"type": "message", "role": "user", "content": given}),)
    return tuple(bytes(item) for item in given)


def _bad(text: str, param: str | None = None) -> Refused:
    return Refused(Problem(status=400, message=text, param=param, code="invalid_value"))
