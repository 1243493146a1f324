"""The dashboard on the product's own port: raw paths, framing without a body, connections that are kept."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dwctl.core.metrics import Metrics
from dwctl.server.limits import ListenerSettings
from dwctl.server.listener import Listener
from dwctl.web.dashboard import Dashboard
from tests.server.test_listener import Echo
from tests.web.house import Application
from tests.web.test_dashboard import PAGE, publish

DEADLINE = 20.0


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """Of a listener with a dashboard."""
    publish(tmp_path)
    application: Any = Application(pages=Dashboard(tmp_path, "1.2.3", source=True).answer).asgi
    listener = Listener(
        host="127.0.0.1",
        port=0,
        settings=ListenerSettings(),
        handler=Echo(),
        application=application,
        metrics=Metrics(),
    )
    await listener.start()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(listener.run())
        try:
            yield int(listener.address.rpartition(":")[2])
        finally:
            running.cancel()
            await listener.stop()


async def exchange(port: int, *heads: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Send heads one after another on one connection; gives status, headers and body of each answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = []
    async with asyncio.timeout(DEADLINE):
        for head in heads:
            writer.write(head + b"\r\nhost: x\r\naccept: text/html\r\n\r\n")
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            status = int(first.split()[1])
            headers = dict(line.lower().split(": ", 1) for line in lines)
            silent = head.startswith(b"HEAD") or status == 304
            body = b"" if silent else await reader.readexactly(int(headers["content-length"]))
            found.append((status, headers, body))
        writer.close()
    return found


async def test_pages_files_and_their_heads_on_one_connection(port: int) -> None:
    page, head, script, again = await exchange(
        port,
        b"GET / HTTP/1.1",
        b"HEAD /models HTTP/1.1",
        b"GET /assets/index-1a2b.js HTTP/1.1\r\naccept-encoding: br",
        b"GET /models?tab=a HTTP/1.1\r\nif-none-match: *",
    )
    assert (page[0], page[2]) == (200, PAGE)
    assert (head[0], head[1]["content-length"]) == (200, str(len(PAGE)))
    assert (script[0], script[2], script[1]["content-encoding"]) == (200, b"as brotli", "br")
    assert (again[0], again[1].get("content-length", "0")) == (304, "0")


@pytest.mark.parametrize(
    "path",
    [
        *("/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/../../../etc/passwd"),
        *("/assets/..%2f..%2f..%2fetc/passwd", "/..%5c..%5cetc/passwd", "/assets/%00", "//etc/passwd/../.."),
    ],
)
async def test_paths_that_lead_out_are_refused(port: int, path: str) -> None:
    ((status, _, body),) = await exchange(port, f"GET {path} HTTP/1.1".encode())
    assert status in (400, 404)
    assert b"root" not in body
