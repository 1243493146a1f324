"""One record on its way to the database: a call's start, its end, or both in one."""


class Entry:
    """A record in memory. What is noted of a call that is not being written yet is one entry."""

    __slots__ = ("attempt", "id", "kind", "meta", "request", "response", "state", "taken")

    def __init__(
        self, kind: int, ident: str, attempt: int, state: int, meta: bytes, request: bytes, response: bytes
    ) -> None:
        self.kind = kind
        """Of its last frame: a call's end has its start in it, or stands alone."""
        self.id = ident
        self.attempt = attempt
        self.state = state
        self.meta = meta
        """The record as JSON."""
        self.request = request
        """The client's body; empty where there is none, or it is not in this entry."""
        self.response = response
        self.taken = False
        """Whether it has been read for a statement, so that it must not change any more."""
