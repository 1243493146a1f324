"""The items of a stored call: what went in and what came out, as another call takes them. Pure.

What a client sent as items stays as its bytes came; a text becomes a message. A chat is told in items too: its
messages, the calls of its tools and their results. Ids: an item that came without one is known by its response and its
place, `msg_<response>_i<n>`, so that whoever is told an id can come back with it.
"""

import re
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw

from dwctl.core.errors import BadRequest
from dwctl.requests.items import PREFIXES, Item, asked_items, named, written
from dwctl.requests.record import State
from dwctl.requests.render import response_object
from dwctl.requests.store import StoredRequest
from dwctl.wire.answers.fields import FAULTS

RESPONSES = "/v1/responses"
CHAT = "/v1/chat/completions"
_NONE: Item = {"type": "unknown"}
_USABLE = frozenset({"completed", "incomplete"})
_OWN_ID = re.compile(r"[a-z]+_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:_.*)?")
_list = msgspec.json.Decoder(list[Raw]).decode
_encode = msgspec.json.Encoder().encode


class Asked(msgspec.Struct, gc=False):
    """What a body says that matters for its context; each value as it came."""

    input: Raw = Raw(b"null")
    previous_response_id: Any = None
    conversation: Any = None
    store: Any = None


_asked = msgspec.json.Decoder(Asked).decode


def asked_of(body: bytes | None) -> Asked | None:
    """None when nothing can be read: it was not kept, or is no JSON object."""
    if not body:
        return None
    try:
        return _asked(body)
    except FAULTS:
        return None


def items_of(given: Raw) -> list[Raw]:
    """The value of `input` as items; raises `BadRequest`."""
    text = bytes(given)
    if text.startswith(b'"'):
        return [Raw(b'{"type":"message","role":"user","content":[{"type":"input_text","text":%b}]}' % text)]
    if text == b"null":
        return []
    try:
        return _list(text)
    except FAULTS as error:
        raise BadRequest(
            "Invalid type for 'input': expected a string or an array of items.",
            param="input",
            code="invalid_type",
        ) from error


def fault_of(row: StoredRequest) -> str | None:
    """Why no call can go on from this one; None when one can."""
    return turn_of(row)[1]


def turn_of(row: StoredRequest) -> tuple[list[Raw], str | None]:
    """What a call was asked and what it answered; or nothing, and why no call can go on from it."""
    fault = _fault_of_row(row)
    if fault is not None:
        return [], fault
    response = response_object(row)
    if response["status"] not in _USABLE:
        return [], "it has failed"
    return input_items(row) + [Raw(_encode(item)) for item in response["output"]], None


def _fault_of_row(row: StoredRequest) -> str | None:
    if row.path not in (RESPONSES, CHAT):
        return f"it is a call of {row.path}, and only responses and chat completions can be continued"
    if row.standing < State.FAILED:
        return "it is still in progress; wait until it has ended"
    if row.state != State.COMPLETED:
        return "it has failed" if row.state == State.FAILED else "it was cancelled"
    if asked_of(row.request) is None or not row.response:
        return "its content was not kept"
    return None


def input_items(row: StoredRequest) -> list[Raw]:
    """What a call was asked, without what it went on from."""
    asked = asked_of(row.request)
    if asked is None:
        return []
    if row.path == CHAT:
        return [Raw(_encode(item)) for item in asked_items(row.request)]
    try:
        return items_of(asked.input)
    except BadRequest:
        return []


def output_items(row: StoredRequest) -> list[Raw]:
    """What came of it, with the ids that its client was shown."""
    return [Raw(_encode(item)) for item in response_object(row)["output"]]


def shown(row: StoredRequest) -> list[Item]:
    """All items of a call that has ended well, each with its id; as many as go in and came out."""
    asked = named(row.id, map(_written, input_items(row)))
    return asked + named(row.id, map(_written, output_items(row)), "o")


def normal(raw: Raw, ident: UUID) -> Item:
    """An item that stands by itself, under an id of its own, with the keys that every item has."""
    item = _written(raw)
    item["id"] = f"{PREFIXES.get(item['type'], 'item')}_{ident}"
    return named(ident, [item])[0]


def response_in(item_id: str) -> UUID | None:
    """The call whose item this is, when its id was made here."""
    match = _OWN_ID.fullmatch(item_id)
    return None if match is None else UUID(match[1])


def _written(raw: Raw) -> Item:
    """What is no item keeps its place."""
    try:
        return written(msgspec.json.decode(raw)) or dict(_NONE)
    except FAULTS:
        return dict(_NONE)
