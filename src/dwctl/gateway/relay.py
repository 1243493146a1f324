"""A stream of events on its way to the client: whole events only, with our id, without usage nobody asked for.

The first event tells how the upstream writes its id: `data: {"id":"chatcmpl-1"`, say. Inside a JSON string the quotes
would be escaped, so these bytes cannot be content; where each event of a read begins with them, one search and replace
does them all. Any other event is changed by itself, so that the client gets the same bytes however the stream was
split on its way. Pure: bytes in, bytes out.

A model that speaks at its pace is read event by event, so the steps of a read are what a token costs. `feed` takes such
an event the short way. Bytes are searched with `find` throughout: `in` first takes its left side for a number, and
throws and drops an error, which costs more than the search.
"""

import re

import msgspec

from dwctl.gateway.reply import with_id
from dwctl.gateway.routes import IdStyle
from dwctl.gateway.shapes import EventFields
from dwctl.usage.meter import has_only_usage
from dwctl.wire.splice import Member
from dwctl.wire.sse import Cutter, data_of, events, with_data

DONE = b"[DONE]"
KEEP_ALIVE = b": keep-alive\n\n"
_LAST = b"\n\ndata: [DONE]\n\n"
_OPENING = re.compile(rb'(data: ?\{[ \t]*"id"[ \t]*:[ \t]*)"[^"\\]*"')
_NO_CHOICES = re.compile(rb'"choices"[ \t\r\n]*:[ \t\r\n]*\[[ \t\r\n]*\]')
_LAST_TYPES = frozenset({"response.completed", "response.failed", "response.incomplete", "error"})
_USAGE = b'"usage"'
_LF = ord("\n")
_response = Member("response")


_read = msgspec.json.Decoder(EventFields).decode
_NOTHING = EventFields()


class EventRelay:
    """Cuts, rewrites and watches one stream."""

    __slots__ = (
        "_cutter",
        "_hide_usage",
        "_new",
        "_old",
        "_quoted",
        "_style",
        "ended",
        "hidden",
    )

    def __init__(self, style: IdStyle, response_id: bytes, *, hide_usage: bool) -> None:
        self._style = style
        self._quoted = b'"%b"' % response_id
        self._hide_usage = hide_usage
        self._cutter = Cutter()
        self._old: bytes | None = None
        self._new = b""
        self.hidden = b""
        """The event with usage that the client did not ask for and does not see."""
        self.ended = False
        """Whether the event after which a client may stop reading has been seen."""

    def feed(self, data: bytes) -> bytes:
        """Whole events for the client; empty while none is complete. Raises `EventTooLarge`."""
        old = self._old
        if old is not None and self._cutter.between:
            rest = data.removeprefix(old)
            if (
                0 < len(rest) < len(data)
                and rest[-1] == _LF
                and rest.find(b"\r") < 0
                and (not self._hide_usage or rest.find(_USAGE) < 0)
            ):
                # Nothing but whole events that begin as the first one did: one of one line, or several.
                if rest.find(b"\n") == len(rest) - 2:
                    return self._new + rest
                pieces = rest.split(old)
                if rest.endswith(b"\n\n") and rest.count(b"\n\n") == len(pieces):
                    return self._new + self._new.join(pieces)
        whole = self._cutter.feed(data)
        return self._changed(whole) if whole else b""

    def rest(self) -> bytes:
        """For the client, at the upstream's end: an event that was begun and has no empty line after it."""
        rest = self._cutter.rest()
        return self._changed(rest) if rest else b""

    def _changed(self, whole: bytes) -> bytes:
        if self._hide_usage and _may_be_usage(whole):
            whole = self._without_usage(whole)
        if self._style is not IdStyle.TOP:
            return self._watched(whole)
        old = self._old
        if old is None:
            match = _OPENING.match(whole)
            if match is not None:
                old = self._old = match[0]
                self._new = match[1] + self._quoted
        if old is not None:
            # Every event begins as the first one did, but for the one that says that there are no more.
            pieces = whole.split(old)
            count = whole.count(b"\n\n") + whole.count(b"\n\r\n")
            if len(pieces) - 1 == count:
                return self._new.join(pieces)
            if len(pieces) == count and whole.endswith(_LAST):
                self.ended = True
                return self._new.join(pieces)
        return b"".join(map(self._with_id, events(whole)))

    def _without_usage(self, whole: bytes) -> bytes:
        kept: list[bytes] = []
        for event in events(whole):
            if _may_be_usage(event) and has_only_usage(data_of(event)):
                # Empty lines before it are the client's, as they are when they came in a read of their own.
                self.hidden = event.lstrip(b"\r\n")
                kept.append(event[: -len(self.hidden)])
            else:
                kept.append(event)
        return b"".join(kept)

    def _with_id(self, event: bytes) -> bytes:
        """A chunk with our id, whatever the upstream's is and wherever it stands."""
        data = data_of(event)
        if data == DONE:
            self.ended = True
            return event
        if data.find(b'"error"') >= 0 and _known(data).error:
            self.ended = True
            return event
        changed = with_id(data, self._quoted)
        return event if changed == data else with_data(event, changed)

    def _watched(self, whole: bytes) -> bytes:
        """Events whose `id` is not ours to set; but a Response inside an event is."""
        if whole.find(b'"response') < 0 and whole.find(b'"error"') < 0 and whole.find(DONE) < 0:
            return whole
        return b"".join(map(self._with_response_id, events(whole)))

    def _with_response_id(self, event: bytes) -> bytes:
        data = data_of(event)
        if data == DONE:
            self.ended = True
            return event
        known = _known(data)
        if known.error or (isinstance(known.type, str) and known.type in _LAST_TYPES):
            self.ended = True
        if self._style is not IdStyle.RESPONSE or not bytes(known.response).startswith(b"{"):
            return event
        return with_data(event, _response.set(data, with_id(bytes(known.response), self._quoted)))


def _may_be_usage(data: bytes) -> bool:
    """Whether it is worth looking for an event that is there for its usage alone; the quicker search goes first."""
    return data.find(_USAGE) >= 0 and _NO_CHOICES.search(data) is not None


def _known(data: bytes) -> EventFields:
    try:
        return _read(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _NOTHING
