"""Frames of a WebSocket that pass by (RFC 6455 §5): text messages are read out of them, and our own are made. Pure.

The bytes themselves go on as they came. What cannot be read (compressed, masked although a server sent it, too large)
is skipped; where one message ends and the next may begin is known all the same.
"""

_TEXT, _CLOSE = 0x1, 0x8
_FIN, _RSV, _OPCODE = 0x80, 0x70, 0x0F
_MASKED, _LENGTH = 0x80, 0x7F
_EXTENDED = {126: 2, 127: 8}
MAX_REASON = 123
"""Bytes of a close frame's reason."""


class MessageReader:
    """One direction of one connection."""

    __slots__ = ("_final", "_head", "_kept", "_left", "_max_bytes", "_opcode", "_size", "_within", "boundary")

    def __init__(self, max_bytes: int) -> None:
        self.boundary = 0
        """The last place in the bytes fed last where no message was under way; -1 for nowhere."""
        self._max_bytes = max_bytes
        """A longer message is not read."""
        self._head = b""
        """Of the frame whose head is not complete yet."""
        self._left: int | None = None
        """Bytes of payload to come; None between two frames."""
        self._opcode = 0
        self._final = True
        self._within = False
        """Whether a message is under way, in frames of which the last has not come."""
        self._kept: list[bytes] | None = None
        """Of the text message under way; None when it is not read."""
        self._size = 0

    @property
    def whole(self) -> bool:
        """Whether a message of ours may be put here: between two frames, and inside no message."""
        return self._left is None and not self._head and not self._within

    def feed(self, data: bytes) -> list[bytes]:
        """The next bytes; gives the text messages that they complete."""
        messages: list[bytes] = []
        self.boundary = 0 if self.whole else -1
        at, end = 0, len(data)
        while at < end:
            if self._left is None:
                size = _head_size(self._head)
                taken = data[at : at + size - len(self._head)]
                self._head += taken
                at += len(taken)
                if len(self._head) < size or len(self._head) < _head_size(self._head):
                    continue
                self._begin(self._head)
                self._head = b""
            left = self._left or 0
            part = data[at : at + left]
            at += len(part)
            self._left = left - len(part)
            if self._opcode < _CLOSE and self._kept is not None and part:
                self._keep(self._kept, part)
            if not self._left:
                self._end(messages)
                if self.whole:
                    self.boundary = at
        return messages

    def _begin(self, head: bytes) -> None:
        """A frame's head is there."""
        self._opcode = head[0] & _OPCODE
        self._final = bool(head[0] & _FIN)
        short = head[1] & _LENGTH
        self._left = int.from_bytes(head[2 : 2 + _EXTENDED[short]]) if short in _EXTENDED else short
        if self._opcode >= _CLOSE:
            return
        readable = not (head[0] & _RSV or head[1] & _MASKED)
        if self._opcode:
            self._kept, self._size = ([] if self._opcode == _TEXT and readable else None), 0
        elif not readable:
            self._kept = None
        self._within = True

    def _keep(self, kept: list[bytes], part: bytes) -> None:
        self._size += len(part)
        if self._size > self._max_bytes:
            self._kept = None
        else:
            kept.append(part)

    def _end(self, messages: list[bytes]) -> None:
        """A frame's last byte is there."""
        self._left = None
        if self._opcode < _CLOSE and self._final:
            self._within = False
            if self._kept is not None:
                messages.append(b"".join(self._kept))
            self._kept = None


def text_frame(payload: bytes) -> bytes:
    """A whole text message as a server sends it."""
    return _frame(_TEXT, payload)


def close_frame(code: int, reason: str) -> bytes:
    """The close of a connection, with why."""
    told = reason.encode()[:MAX_REASON].decode(errors="ignore").encode()
    return _frame(_CLOSE, code.to_bytes(2) + told)


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes((_FIN | opcode, size))
    elif size < 1 << 16:
        head = bytes((_FIN | opcode, 126)) + size.to_bytes(2)
    else:
        head = bytes((_FIN | opcode, 127)) + size.to_bytes(8)
    return head + payload


def _head_size(head: bytes) -> int:
    """Bytes of a frame's head, as far as its beginning tells."""
    if len(head) < 2:
        return 2
    return 2 + _EXTENDED.get(head[1] & _LENGTH, 0) + (4 if head[1] & _MASKED else 0)
