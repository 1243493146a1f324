"""Files and batches of a running dwctl, over HTTP."""

import http.client
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.durable.uploading import until_told
from benchmarks.failures import Broken

LINE = 1_024
PIECE = 1 << 20
WITHIN = 3_600.0
_BOUNDARY = "bench-boundary"
_HEAD = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n'
).encode()
_TAIL = f"\r\n--{_BOUNDARY}--\r\n".encode()


class Api:
    """What one key may do."""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self.key = key

    def call(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, length: int | None = None
    ) -> dict[str, Any]:
        """One call; `length` is that of a form with a file."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if length is not None:
            headers |= {
                "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
                "Content-Length": str(length),
            }
        try:
            connection.request(method, f"/ai/v1{path}", body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise Broken(f"{method} {path}: {answer.status} {content[:500].decode(errors='replace')}")
        return msgspec.json.decode(content, type=dict[str, Any])

    def upload(self, source: Path, copies: int = 1, enough: Callable[[], bool] | None = None) -> str:
        """The file's id, of the source so many times; broken off when it is `enough`."""
        length = len(_HEAD) + copies * source.stat().st_size + len(_TAIL)
        form = _form(source, copies)
        if enough is not None:
            form = until_told(form, enough)
        ident: str = self.call("POST", "/files", form, length)["id"]
        return ident

    def delete(self, file_id: str) -> None:
        """A file that nothing needs any more."""
        self.call("DELETE", f"/files/{file_id}")

    def batch(self, file_id: str) -> str:
        """The id of a new batch over a file."""
        wanted = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        ident: str = self.call("POST", "/batches", msgspec.json.encode(wanted))["id"]
        return ident

    def until(self, batch_id: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a batch."""
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline:
            seen = self.call("GET", f"/batches/{batch_id}")
            if condition(seen):
                return seen
            time.sleep(0.1)
        raise Broken(f"the batch did not come on within {WITHIN:g} s")

    def lines(self, file_id: str) -> int:
        """How many a download has."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN)
        try:
            headers = {"Authorization": f"Bearer {self.key}"}
            connection.request("GET", f"/ai/v1/files/{file_id}/content", headers=headers)
            answer = connection.getresponse()
            lines = 0
            while piece := answer.read(PIECE):
                lines += piece.count(b"\n")
        finally:
            connection.close()
        return lines


def write(path: Path, lines: int, model: str) -> None:
    """A file of so many lines, each of 1 KB."""
    request = {
        "custom_id": f"line-{0:09}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": model, "messages": [{"role": "user", "content": ""}], "max_tokens": 64},
    }
    before, _, after = msgspec.json.encode(request).partition(b"line-000000000")
    text = b'"content":"'
    after = after.replace(text, text + b"x" * (LINE - len(before) - len(after) - 15), 1)
    with path.open("wb") as file:
        for number in range(lines):
            file.write(b"%bline-%09d%b\n" % (before, number, after))


def _form(path: Path, copies: int) -> Iterator[bytes]:
    yield _HEAD
    for _ in range(copies):
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    yield _TAIL
