"""What a request's head says."""

import msgspec

from dwctl.wire.exchange import Headers, Memo


class RequestHead(msgspec.Struct, gc=False):
    """One request's head."""

    method: bytes
    target: bytes
    path: bytes
    query: bytes
    headers: Headers
    minor: int
    """1 for HTTP/1.1."""
    length: int
    """Bytes of the body; -1 when it is chunked."""
    keep_alive: bool
    expects_continue: bool
    memo: Memo
    repeated: bool = False
    """Whether `headers` still has the content-length of an earlier request."""

    def fields(self) -> Headers:
        """The header lines of this request; of a repeated head hardly anybody asks for them."""
        if self.repeated:
            place = [name for name, _ in self.headers].index(b"content-length")
            # Another list: whoever was given the old one keeps it.
            self.headers = [
                *self.headers[:place],
                (b"content-length", b"%d" % self.length),
                *self.headers[place + 1 :],
            ]
            self.repeated = False
        return self.headers
