"""What a realtime session has used, from the events that its model server sends (decision 0033). Pure.

`response.done` tells the usage of a response, and a finished transcription its own. What they tell is added up. A
response of which the end did not come, or came without usage although something was said, is estimated:

- Input: what the last response had as input and output, or before the first one the text that the server has confirmed
  (configuration, items), at four bytes a token; and the client's bytes since, as sound.
- Output: a token for each event with text, or for four bytes of it; of sound by its bytes.
"""

from typing import Any

import msgspec

from dwctl.usage.shapes import MAX_TOKENS, Tokens, tokens_in

MAX_MESSAGE = 4 * 1024 * 1024
"""A longer event is passed on unread."""
BYTES_OF_TEXT = 4
"""For a token."""
BYTES_OF_SOUND_IN = 6400
"""For a token of the client's sound: a tenth of a second of 24 kHz, 16 bits, in base64."""
BYTES_OF_SOUND_OUT = 3200
"""For a token of the model's: half of that."""
_ENDED = "response.done"
_BEGAN = "response.created"
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
_CONFIGURED = frozenset({"session.created", "session.updated"})
_ADDED = frozenset({"conversation.item.created", "conversation.item.added"})
_SOUND = frozenset({"response.audio.delta", "response.output_audio.delta"})
_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Event(msgspec.Struct, gc=False):
    """What is looked at; everything else is skipped unparsed."""

    type: Any = None
    delta: msgspec.Raw = msgspec.Raw(b"")


class Used(msgspec.Struct, frozen=True):
    """To be charged now."""

    tokens: Tokens
    estimated: bool = False


_decode = msgspec.json.Decoder(_Event).decode
_decode_loosely = msgspec.json.Decoder().decode


class SessionUsage:
    """Of one session."""

    def __init__(self) -> None:
        self.running = 0
        """Responses that have begun and not ended."""
        self._context = 0
        """Tokens of the conversation, as far as responses told."""
        self._configuration = 0
        """Bytes of the session's settings, which stand before the conversation until a response told of it."""
        self._items = 0
        """Bytes of the items since the last response."""
        self._heard = 0
        """Bytes of the client since the last response."""
        self._written = 0
        """Tokens of the responses that run, as far as they came."""

    def heard(self, size: int) -> None:
        """The client has sent so many bytes."""
        self._heard += size

    def told(self, message: bytes) -> Used | None:
        """The server has sent an event; gives what it says was used."""
        try:
            event = _decode(message)
        except _FAULTS:
            return None
        kind = event.type
        if not isinstance(kind, str):
            return None
        if kind == _ENDED:
            return self._ended(message)
        if kind == _TRANSCRIBED:
            tokens = tokens_in(_object(message))
            return None if tokens is None else Used(tokens)
        if kind == _BEGAN:
            self.running += 1
        elif kind in _CONFIGURED:
            self._configuration = len(message)
        elif kind in _ADDED:
            self._items += len(message)
        elif kind.startswith("response.") and kind.endswith(".delta"):
            per = BYTES_OF_SOUND_OUT if kind in _SOUND else BYTES_OF_TEXT
            self._written += max(1, len(bytes(event.delta)) // per)
        return None

    def rest(self) -> Used | None:
        """The session has ended: what the responses used whose end did not come."""
        if not self.running:
            return None
        return self._estimated(self.running)

    def _ended(self, message: bytes) -> Used | None:
        """A response has ended."""
        self.running = max(0, self.running - 1)
        tokens = tokens_in(_object(message))
        used: Used | None = None
        if tokens is not None and tokens.total:
            used = Used(tokens)
        elif self._written:
            used = self._estimated(1)
        if used is not None and used.tokens.total:
            self._context = used.tokens.total
            self._items = self._heard = 0
        if not self.running:
            self._written = 0
        return used

    def _estimated(self, responses: int) -> Used:
        before = self._context or self._configuration // BYTES_OF_TEXT
        given = before + self._items // BYTES_OF_TEXT + self._heard // BYTES_OF_SOUND_IN
        given = min(max(given, 1) * responses, MAX_TOKENS)
        made = min(self._written, MAX_TOKENS)
        tokens = Tokens(input=given, output=made, total=min(given + made, MAX_TOKENS))
        return Used(tokens, estimated=True)


def _object(message: bytes) -> object:
    try:
        return _decode_loosely(message)
    except _FAULTS:
        return None
