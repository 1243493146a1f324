"""OpenAI's error envelope (spec/wire-api §2.1): what every failure under `/ai` looks like. All four keys, always."""

import msgspec

from dwctl.wire.heads import date_line, status_line

Header = tuple[bytes, bytes]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A failure as the client of `/ai` sees it."""

    status: int
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    headers: tuple[Header, ...] = ()

    def body(self) -> bytes:
        """The JSON body."""
        return msgspec.json.encode({"error": self.inner()})

    def inner(self) -> dict[str, str | None]:
        """The object under `error`."""
        return {"message": self.message, "type": self.type, "param": self.param, "code": self.code}


class Refused(Exception):
    """Raised by a deciding step; carries the answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def render(problem: Problem, headers: bytes = b"", *, keep_alive: bool = True) -> bytes:
    """A whole answer in bytes; `headers` are more lines, each with its line break."""
    body = problem.body()
    lines = b"".join(b"%b: %b\r\n" % pair for pair in problem.headers)
    close = b"" if keep_alive else b"connection: close\r\n"
    return b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%b%b%b%b\r\n%b" % (
        status_line(problem.status),
        len(body),
        date_line(),
        lines,
        headers,
        close,
        body,
    )
