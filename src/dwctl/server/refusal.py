"""What a client is told whose request reaches neither plane. Pure."""

from dwctl.core.ids import new_id
from dwctl.wire.errors import Problem, render
from dwctl.wire.heads import status_line
from dwctl.wire.messages.problems import problem_for

_AI = b"/ai/"
MAX_REQUEST_LINE = 16 * 1024


def refusal(path: bytes, status: int, message: str, code: str | None = None) -> bytes:
    """The whole answer, after which the connection ends: the path's envelope under `/ai`, else plain text."""
    if path.startswith(_AI):
        problem = problem_for(path, Problem(status=status, message=message, code=code))
        return render(problem, b"x-request-id: %b\r\n" % new_id().encode(), keep_alive=False)
    text = message.encode()
    return (
        b"%bcontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
        % (
            status_line(status),
            len(text),
            text,
        )
    )


def asked_path(begun: bytes) -> bytes:
    """The path in a head that is broken or has not arrived whole; nothing when it is not to be seen."""
    words = begun[:MAX_REQUEST_LINE].lstrip(b"\r\n").partition(b"\r\n")[0].split(b" ")
    return words[1] if len(words) > 1 else b""
