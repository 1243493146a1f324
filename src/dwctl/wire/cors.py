"""Which origins a browser may call from, as header lines of an answer (Fetch standard, CORS protocol). Pure."""

from collections.abc import Collection

ANY = "*"


class Cors:
    """The policy of one installation."""

    __slots__ = ("_all", "_extra", "_origins")

    def __init__(
        self, origins: Collection[str] = (), *, credentials: bool = False, exposed: Collection[str] = ()
    ) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)
        self._all = ANY in origins
        lines = ["access-control-allow-credentials: true\r\n"] if credentials else []
        if exposed:
            lines.append(f"access-control-expose-headers: {', '.join(exposed)}\r\n")
        self._extra = "".join(lines).encode()

    def lines(self, origin: bytes | None) -> bytes:
        """What an answer to a page of this origin carries, each line ended; empty when it may not read it."""
        if origin is None or not (self._all or origin in self._origins):
            return b""
        shown = b"*" if self._all else origin
        return b"access-control-allow-origin: %b\r\nvary: origin\r\n%b" % (shown, self._extra)


NO_CORS = Cors()
