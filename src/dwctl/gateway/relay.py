"""A stream of events on its way to the client: whole events only, with our id, without usage nobody asked for.

The upstream's id is learned from the first event and then replaced by a plain search in each read: inside a
JSON string the quotes around it would be escaped, so the search cannot hit content. Pure: bytes in, bytes out.
"""

import re

import msgspec

from dwctl.gateway.reply import with_id
from dwctl.gateway.routes import IdStyle
from dwctl.usage.meter import has_only_usage
from dwctl.wire.sse import data_of, events, whole_events

MAX_EVENT = 16 * 1024 * 1024
DONE = b"[DONE]"
_TERMINAL = re.compile(rb'"type"\s*:\s*"response\.(?:completed|failed|incomplete)"')


class EventTooLarge(Exception):
    """An event does not end within `MAX_EVENT` bytes."""


class _Ids(msgspec.Struct):
    id: str | None = None
    response: msgspec.Raw = msgspec.Raw(b"{}")


class _Inner(msgspec.Struct):
    id: str | None = None


_decode = msgspec.json.Decoder(_Ids).decode
_decode_inner = msgspec.json.Decoder(_Inner).decode


class EventRelay:
    """Cuts, rewrites and watches one stream."""

    __slots__ = ("_hide_usage", "_new", "_old", "_quoted", "_rest", "_style")

    def __init__(self, style: IdStyle, response_id: bytes, *, hide_usage: bool) -> None:
        self._style = style
        self._quoted = b'"%b"' % response_id
        self._hide_usage = hide_usage
        self._old: bytes | None = None
        self._new = b""
        self._rest = b""

    @property
    def rest(self) -> bytes:
        """What came after the last whole event."""
        return self._rest

    def feed(self, data: bytes) -> bytes:
        """Whole events for the client; empty while none is complete."""
        if self._rest:
            data = self._rest + data
        end = whole_events(data)
        self._rest = data[end:]
        if not end:
            if len(data) > MAX_EVENT:
                raise EventTooLarge
            return b""
        whole = data[:end]
        if self._style is IdStyle.TOP:
            whole = self._with_top_id(whole)
        elif self._style is IdStyle.RESPONSE:
            whole = self._with_response_id(whole)
        if self._hide_usage and b'"usage"' in whole:
            whole = b"".join(event for event in events(whole) if not has_only_usage(event))
        return whole

    def is_last(self, whole: bytes) -> bool:
        """Whether these events hold the one after which a client may stop reading."""
        if self._style is IdStyle.RESPONSE:
            return _TERMINAL.search(whole) is not None
        return DONE in whole

    def _with_top_id(self, whole: bytes) -> bytes:
        if self._old is None:
            self._learn(whole)
        old = self._old
        if old is not None and whole.count(old) == whole.count(b"data: {"):
            return whole.replace(old, self._new)
        return b"".join(map(self._with_own_id, events(whole)))

    def _with_own_id(self, event: bytes) -> bytes:
        """One event by itself: for upstreams whose id changes, stands elsewhere or is missing."""
        data = data_of(event)
        if not data.startswith(b"{"):
            return event
        changed = with_id(data, self._quoted)
        if changed == data or b"\n" in data:
            return event
        return event.replace(data, changed, 1)

    def _with_response_id(self, whole: bytes) -> bytes:
        if self._old is None or (self._old not in whole and b'"response"' in whole):
            self._learn(whole)
        return whole if self._old is None else whole.replace(self._old, self._new)

    def _learn(self, whole: bytes) -> None:
        """Find how the upstream writes its id in the first event that has one."""
        for event in events(whole):
            data = data_of(event)
            try:
                found = _decode(data)
                name = found.id if self._style is IdStyle.TOP else _decode_inner(found.response).id
            except msgspec.MsgspecError:
                continue
            if not name:
                continue
            pattern = rb'"id"(\s*:\s*)' + re.escape(msgspec.json.encode(name))
            match = re.search(pattern, data)
            if match is not None:
                self._old = match[0]
                self._new = b'"id"' + match[1] + self._quoted
                return
