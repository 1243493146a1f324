"""What a response's head says."""

import msgspec


class Head(msgspec.Struct, frozen=True, gc=False):
    """A response's head."""

    status: int
    length: int | None
    """Bytes of the body by content-length."""
    chunked: bool
    keep_alive: bool
    coded: bool
    """Whether the body has a content coding, such as gzip."""
    json: bool
    """Whether the body is announced as JSON and can be read."""
    events: bool
    """Whether the body is a stream of events."""
    lines: bytes
    """The fields that may go on to a client, each line ended."""
