"""What may be done with files (spec/platform §1.15, §8)."""

from uuid import UUID

from dwctl.core.errors import BadRequest, NotFound
from dwctl.engine.files.content import Content, Part, Reader
from dwctl.engine.files.estimate import estimate
from dwctl.engine.files.store import FileStore, Wanted
from dwctl.engine.files.structs import (
    Estimate,
    File,
    FileDeleted,
    FileList,
    FileRow,
    shown,
)
from dwctl.engine.files.upload import Form, Uploads
from dwctl.identity.permissions import Operation, Resource, Scope, allows, require
from dwctl.identity.principal import Principal
from dwctl.routing.snapshot import Routing

MAX_LIMIT = 101


class FileActions:
    """Rules before rows."""

    def __init__(self, store: FileStore, uploads: Uploads, routing: Routing) -> None:
        self._store = store
        self._uploads = uploads
        self._routing = routing
        self._reader = Reader(store)

    async def upload(self, who: Principal, form: Form) -> File:
        """Take a file."""
        require(who, Resource.FILES, Operation.CREATE, Scope.OWN)
        file_id = await self._uploads.take(who, form)
        return shown(await self._row(file_id, None))

    async def page(self, who: Principal, wanted: Wanted, limit: int, *, own: bool) -> FileList:
        """Some of the files that the caller may see."""
        everything = self._owner(who, Operation.READ) is None and not own
        owner = None if everything else who.owner_id
        if wanted.after is not None and not await self._store.exists(wanted.after, owner):
            raise BadRequest(f"after: expected the id of a file, got {wanted.after}")
        limit = min(max(1, limit), MAX_LIMIT)
        wanted = Wanted(
            owner=owner,
            creator=wanted.creator,
            after=wanted.after,
            purpose=wanted.purpose,
            search=wanted.search,
            descending=wanted.descending,
        )
        rows = await self._store.page(wanted, limit + 1)
        files = [shown(row) for row in rows[:limit]]
        return FileList(
            data=files,
            first_id=files[0].id if files else None,
            last_id=files[-1].id if files else None,
            has_more=len(rows) > limit,
        )

    async def get(self, who: Principal, text: str) -> File:
        """One file."""
        return shown(await self._seen(who, text, Operation.READ))

    async def delete(self, who: Principal, text: str) -> FileDeleted:
        """Let it go; batches that run over it are cancelled."""
        owner = self._owner(who, Operation.DELETE)
        file_id = file_id_of(text)
        if not await self._store.delete(file_id, owner):
            raise _missing(text)
        return FileDeleted(id=file_id)

    async def content(self, who: Principal, text: str, part: Part) -> tuple[FileRow, Content]:
        """Its bytes."""
        row = await self._seen(who, text, Operation.READ)
        return row, await self._reader.content(row, part)

    async def estimate(self, who: Principal, text: str, window: str) -> Estimate:
        """What a batch over it may come to."""
        row = await self._seen(who, text, Operation.READ)
        if row.purpose != "batch":
            raise BadRequest(f"file_id: expected a file of the purpose batch, got one of {row.purpose}")
        means = await self._store.mean_outputs((row.models or {}).keys())
        return estimate(row, window, means, self._routing.snapshot)

    async def _seen(self, who: Principal, text: str, operation: Operation) -> FileRow:
        return await self._row(file_id_of(text), self._owner(who, operation))

    async def _row(self, file_id: UUID, owner: UUID | None) -> FileRow:
        row = await self._store.get(file_id, owner)
        if row is None:
            raise _missing(str(file_id))
        return row

    def _owner(self, who: Principal, operation: Operation) -> UUID | None:
        """Whose files alone may be seen; None is everybody's. A key of an organization sees that one's."""
        if who.owner_id == who.user_id and allows(who, Resource.FILES, operation, Scope.ALL):
            return None
        require(who, Resource.FILES, operation, Scope.OWN)
        return who.owner_id


def file_id_of(text: str, name: str = "file_id") -> UUID:
    """A bare UUID, or one with a prefix."""
    try:
        return UUID(text.removeprefix("file-").removeprefix("file_"))
    except ValueError as error:
        raise BadRequest(f"{name}: expected a UUID, got {text[:100]!r}") from error


def _missing(text: str) -> NotFound:
    return NotFound(f"File with ID {text[:100]} not found")
