"""Forms as clients send them, and read back as an upstream got them, by other code than the product's."""

import re

import msgspec

from tests.fakes.answers import Answer, json_reply
from tests.fakes.incoming import Request
from tests.gateway.house import SECRET

BOUNDARY = "----a-boundary-7MA4YWxk"
TRANSCRIPTIONS = "/ai/v1/audio/transcriptions"


class Part(msgspec.Struct, frozen=True):
    """One part of a form."""

    name: str
    value: bytes
    filename: str | None = None
    more: str = ""
    """Header lines, each ended."""


def form(*parts: Part, boundary: str = BOUNDARY, before: bytes = b"", after: bytes = b"\r\n") -> bytes:
    """The body of a form."""
    pieces = [before]
    for part in parts:
        filename = "" if part.filename is None else f'; filename="{part.filename}"'
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name}"{filename}\r\n{part.more}\r\n'
        )
        pieces += (head.encode("latin-1"), part.value, b"\r\n")
    pieces += (f"--{boundary}--".encode(), after)
    return b"".join(pieces)


def headers(boundary: str = BOUNDARY) -> dict[str, str]:
    """Of a request with such a body."""
    return {
        "authorization": f"Bearer {SECRET}",
        "content-type": f"multipart/form-data; boundary={boundary}",
    }


def received(request: Request) -> list[tuple[str, bytes]]:
    """Names and values of the parts that an upstream got, in order."""
    found = re.fullmatch(r'multipart/form-data; boundary="?([^"]+)"?', request.header("content-type") or "")
    assert found is not None, request.header("content-type")
    first, *parts, last = (b"\r\n" + request.body).split(b"\r\n--" + found[1].encode())
    assert first == b""
    assert last == b"--\r\n"
    values = []
    for part in parts:
        head, _, value = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="?([^";\r]*)', head)
        assert name is not None, head
        values.append((name[1].decode("latin-1"), value))
    return values


def transcribed(request: Request) -> Answer:
    """What a transcribing server answers, with its usage."""
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 3, "total_tokens": 17}
    return json_reply({"text": f"{len(request.body)} bytes", "usage": usage})
