"""Routes of files (spec/platform §1.15)."""

from collections.abc import Collection
from typing import Any, Literal
from uuid import UUID

from litestar import Request, Router, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from dwctl.core.errors import BadRequest
from dwctl.engine.files.actions import FileActions, file_id_of
from dwctl.engine.files.content import Part
from dwctl.engine.files.download import Download
from dwctl.engine.files.store import Wanted
from dwctl.engine.files.structs import Estimate, File, FileDeleted, FileList
from dwctl.engine.files.upload import Form
from dwctl.identity.authenticate import AI_PURPOSES, Authenticator
from dwctl.web.authentication import Who, guard, principal_dependency
from dwctl.web.paging import words

DEFAULT_LIMIT = 20
MOST = 2**31 - 2
_LINES = frozenset({"batch", "batch_output", "batch_error"})


@post("/files", request_max_body_size=None)
async def upload_file(
    request: Request[Any, Any, Any], principal: Who, files: NamedDependency[FileActions]
) -> File:
    """Upload a file."""
    length = request.headers.get("content-length", "")
    form = Form(
        content_type=request.headers.get("content-type", ""),
        content_length=int(length) if length.isascii() and length.isdecimal() else None,
        receive=_Body(request).receive,
    )
    return await files.upload(principal, form)


@get("/files")
async def list_files(
    principal: Who,
    files: NamedDependency[FileActions],
    after: FromQuery[str | None] = None,
    limit: FromQuery[int] = DEFAULT_LIMIT,
    order: FromQuery[Literal["asc", "desc"]] = "desc",
    purpose: FromQuery[str | None] = None,
    search: FromQuery[str | None] = None,
    own: FromQuery[bool] = False,
    member_id: FromQuery[UUID | None] = None,
) -> FileList:
    """List files, newest first."""
    wanted = Wanted(
        after=None if after is None else file_id_of(after, "after"),
        creator=member_id,
        purpose=words("purpose", purpose),
        search=words("search", search),
        descending=order == "desc",
    )
    return await files.page(principal, wanted, limit, own=own)


@get("/files/{file_id:str}")
async def get_file(principal: Who, files: NamedDependency[FileActions], file_id: FromPath[str]) -> File:
    """Get a file."""
    return await files.get(principal, file_id)


@delete("/files/{file_id:str}", status_code=200)
async def delete_file(
    principal: Who, files: NamedDependency[FileActions], file_id: FromPath[str]
) -> FileDeleted:
    """Delete a file."""
    return await files.delete(principal, file_id)


@get("/files/{file_id:str}/content")
async def get_file_content(
    principal: Who,
    files: NamedDependency[FileActions],
    file_id: FromPath[str],
    skip: FromQuery[int | None] = None,
    offset: FromQuery[int | None] = None,
    limit: FromQuery[int | None] = None,
    search: FromQuery[str | None] = None,
) -> Download:
    """Download a file; of a file of lines, from a line on."""
    start = skip if skip is not None else offset or 0
    part = Part(
        skip=min(max(0, start), MOST),
        limit=None if limit is None else min(max(0, limit), MOST),
        search=words("search", search),
    )
    row, content = await files.content(principal, file_id, part)
    headers = {}
    if content.next is not None:
        headers = {
            "x-incomplete": "true" if content.incomplete else "false",
            "x-last-line": str(content.next),
        }
    lines = row.purpose in _LINES
    if not lines:
        headers["content-length"] = str(row.bytes)
    media_type = "application/x-ndjson" if lines else "application/octet-stream"
    return Download(content.text, media_type, headers)


@get("/files/{file_id:str}/cost-estimate")
async def estimate_file_cost(
    principal: Who,
    files: NamedDependency[FileActions],
    file_id: FromPath[str],
    completion_window: FromQuery[str] = "24h",
) -> Estimate:
    """Estimate what a batch over a file may cost."""
    return await files.estimate(principal, file_id, completion_window)


class _Body:
    """The body of a request, as it comes."""

    def __init__(self, request: Request[Any, Any, Any]) -> None:
        self._receive = request.receive
        self._more = True

    async def receive(self) -> bytes | None:
        """More of it; None at the end."""
        while self._more:
            message: Any = await self._receive()
            if message["type"] != "http.request":
                raise BadRequest("The client ended the upload before its form was complete.")
            self._more = message.get("more_body", False)
            if message["body"]:
                return bytes(message["body"])
        return None


def router(actions: FileActions, authenticator: Authenticator, origins: Collection[str]) -> Router:
    """All routes of this resource."""
    return Router(
        path="/ai/v1",
        route_handlers=[
            upload_file,
            list_files,
            get_file,
            delete_file,
            get_file_content,
            estimate_file_cost,
        ],
        guards=[guard(authenticator, AI_PURPOSES, origins)],
        dependencies={
            "files": Provide(lambda: actions, sync_to_thread=False),
            **principal_dependency(),
        },
        include_in_schema=False,
    )
