"""Files on a fresh database: people who upload, models that they may use, and whatever limits a test wants."""

import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
from litestar import Litestar

from dwctl.core.ids import new_uuid
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries
from dwctl.engine.files.actions import FileActions
from dwctl.engine.files.api import router
from dwctl.engine.files.keeping import Keeping
from dwctl.engine.files.settings import FileLimits, FileSettings
from dwctl.engine.files.store import FileStore
from dwctl.engine.files.upload import Uploads
from dwctl.engine.settings import BatchSettings
from dwctl.identity.principal import NIL
from dwctl.routing.snapshot import Model, Routing, Snapshot
from dwctl.web.errors import exception_handlers
from tests.control.house import House, Person

CHAT = "/v1/chat/completions"
BOUNDARY = "a-boundary"
SILENT = 60.0

Body = bytes | AsyncIterator[bytes]


def line(number: int, **changes: Any) -> dict[str, Any]:
    """A request as a client writes it."""
    body = {"model": "chat", "messages": [{"role": "user", "content": f"question {number}"}]}
    return {"custom_id": f"line-{number}", "method": "POST", "url": CHAT, "body": body} | changes


def jsonl(lines: Iterable[dict[str, Any]]) -> bytes:
    """A file of them, as compact as it is given back."""
    return b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in lines)


def part(name: str, value: bytes | str, filename: str | None = None) -> bytes:
    """One part of a form."""
    named = "" if filename is None else f'; filename="{filename}"'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + (value.encode() if isinstance(value, str) else value) + b"\r\n"


def form(content: bytes, purpose: str | None = "batch", *, last: bool = False, **fields: str) -> bytes:
    """A whole form; the file comes last, or first if the other fields come `last`."""
    others = b"" if purpose is None else part("purpose", purpose)
    others += b"".join(part(f"expires_after[{name}]", value) for name, value in fields.items())
    file = part("file", content, "in.jsonl")
    return (file + others if last else others + file) + f"--{BOUNDARY}--\r\n".encode()


class Files:
    """The routes of files, and what is behind them."""

    def __init__(
        self,
        house: House,
        *,
        limits: FileLimits | None = None,
        settings: FileSettings | None = None,
        max_body_bytes: int = 1 << 20,
    ) -> None:
        self.house = house
        self.database: Database = house.database
        self.routing = Routing()
        self.store = FileStore(self.database)
        self.daemon_id = new_uuid()
        self.uploads = Uploads(
            store=self.store,
            routing=self.routing,
            daemon_id=self.daemon_id,
            batches=BatchSettings(files=settings or FileSettings()),
            limits=limits or FileLimits(),
            max_body_bytes=max_body_bytes,
        )
        actions = FileActions(self.store, self.uploads, self.routing)
        self.keeping = Keeping(
            self.store,
            self.uploads,
            silent_secs=SILENT,
            outputs_secs=(settings or FileSettings()).default_output_expiry_seconds,
        )
        self.app = Litestar(
            route_handlers=[router(actions, house.plane.authenticator, ())],
            exception_handlers=exception_handlers(),
            logging_config=None,
            openapi_config=None,
        )
        self.has("chat")

    def has(self, *aliases: str, kind: Any = "CHAT", groups: Iterable[str] = (str(NIL),)) -> None:
        """More models, open to everyone or to these groups."""
        before = self.routing.snapshot
        made = {
            alias: Model(
                id=str(new_uuid()), alias=alias, type=kind, groups=frozenset(groups), targets=(), created=0
            )
            for alias in aliases
        }
        self.routing.snapshot = Snapshot(
            version=before.version + 1, keys={}, models={**before.models, **made}
        )

    async def register(self) -> None:
        """This process says that it lives."""
        sql = Queries.load("dwctl.requests")["register_daemon"]
        await self.database.execute(sql, self.daemon_id, "gateway", "here", 1, "1", self.daemon_id, {})

    async def person(self) -> Person:
        """Somebody who may have files."""
        return await self.house.person("BatchAPIUser")

    async def call(
        self,
        method: str,
        path: str,
        who: Person | dict[str, str],
        *,
        params: dict[str, Any] | None = None,
        content: Body | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """One request."""
        given = who.headers if isinstance(who, Person) else who
        application: Any = self.app
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://dwctl.test/ai/v1") as client:
            return await client.request(
                method, path, params=params, content=content, headers={**given, **(headers or {})}
            )

    async def send(self, who: Person | dict[str, str], body: Body) -> httpx.Response:
        """A form."""
        kind = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
        return await self.call("POST", "/files", who, content=body, headers=kind)

    async def upload(self, who: Person | dict[str, str], content: bytes, purpose: str = "batch") -> UUID:
        """A file that is taken."""
        answer = await self.send(who, form(content, purpose))
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    async def left(self) -> dict[str, int]:
        """Rows by table."""
        row = await self.database.fetch_row(
            """select (select count(*) from files) as files, (select count(*) from file_lines) as lines,
                (select count(*) from file_pieces) as pieces"""
        )
        assert row is not None
        return dict(row)


def apart_of(pid: int) -> list[int]:
    """Ids of the processes that read lines for this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == pid and b"dwctl.engine.files.apart" in words:
            found.append(int(folder.name))
    return found


def message(answer: httpx.Response) -> str:
    """What an error says."""
    return str(answer.json()["error"]["message"])


def decoded(text: bytes) -> list[Any]:
    """The lines of a file."""
    return [msgspec.json.decode(each) for each in text.splitlines()]
