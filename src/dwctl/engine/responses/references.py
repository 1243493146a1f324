"""Items and files that a call names by their ids, put in their place.

An `item_reference` becomes the item of a response or a conversation of the same account. A part `input_file` or
`input_image` with a `file_id` of ours gets the file's bytes. An id that cannot be ours is the model server's business
and stays.
"""

import base64
import mimetypes
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw

from dwctl.core.errors import BadRequest
from dwctl.engine.conversations.store import ConversationStore
from dwctl.engine.files.store import FileStore
from dwctl.engine.files.structs import FileRow
from dwctl.engine.responses.history import History
from dwctl.engine.responses.items import fault_of, response_in, shown
from dwctl.wire.answers.fields import FAULTS

PURPOSES = ("user_data", "vision")
_PARTS = frozenset({"input_file", "input_image"})
_IMAGES = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))
_WORDS = (b'"item_reference"', b'"file_id"')
_encode = msgspec.json.Encoder().encode


class References:
    """Resolves them."""

    def __init__(self, history: History, conversations: ConversationStore, files: FileStore) -> None:
        self._history = history
        self._conversations = conversations
        self._files = files

    async def resolved(self, items: list[Raw], owner_id: UUID, most_bytes: int) -> list[Raw]:
        """The same items with nothing left to look up, or the same list; raises `BadRequest`."""
        left = most_bytes - sum(len(bytes(item)) for item in items)
        found = items
        for index, raw in enumerate(items):
            text = bytes(raw)
            given = _object(text) if any(text.find(word) >= 0 for word in _WORDS) else None
            if given is None:
                continue
            place, item = f"input[{index}]", given
            if given.get("type") == "item_reference":
                item = await self._item(given, owner_id, place)
            taken = 0
            for part, at in _file_parts(item, place):
                taken += await self._file(part, owner_id, f"{at}.file_id", left - taken)
            left -= taken
            if taken or item is not given:
                found = list(items) if found is items else found
                found[index] = Raw(_encode(item))
        if left < 0:
            raise _too_large("input", most_bytes)
        return found

    async def _item(self, reference: dict[str, Any], owner_id: UUID, place: str) -> dict[str, Any]:
        name = reference.get("id")
        response_id = response_in(name) if isinstance(name, str) else None
        if not isinstance(name, str) or response_id is None:
            return reference
        given = await self._conversations.item_of_account(name, owner_id)
        if given is not None and (item := _object(given)) is not None:
            return item
        row = await self._history.ready(response_id)
        if row is not None and row.owner_id == owner_id and fault_of(row) is None:
            for item in shown(row):
                if item["id"] == name:
                    return item
        raise BadRequest(f"Item with id '{name}' not found.", param=f"{place}.id", code="item_not_found")

    async def _file(self, part: dict[str, Any], owner_id: UUID, param: str, left: int) -> int:
        """Put a file's bytes into a part; how much it has grown."""
        name = part["file_id"]
        file_id = _file_id(name)
        if file_id is None:
            return 0
        row = await self._files.get(file_id, owner_id)
        if row is None:
            raise BadRequest(f"File with id '{name}' not found.", param=param, code="file_not_found")
        if row.purpose not in PURPOSES:
            expected = " or ".join(PURPOSES)
            raise BadRequest(
                f"File with id '{name}' has the purpose {row.purpose}; expected {expected}.",
                param=param,
                code="invalid_value",
            )
        size = ((row.bytes or 0) + 2) // 3 * 4
        if size > left:
            raise _too_large(param, left)
        url = await self._data_url(row)
        del part["file_id"]
        if part["type"] == "input_image":
            part["image_url"] = url
        else:
            part.setdefault("filename", row.name)
            part["file_data"] = url
        return max(1, size)

    async def _data_url(self, row: FileRow) -> str:
        """Piece by piece, so that others get their turn."""
        texts: list[bytes] = []
        kind, rest = "", b""
        while (piece := await self._files.piece(row.id, len(texts))) is not None:
            kind = kind or _type_of(row, piece)
            rest += piece
            whole = len(rest) // 3 * 3
            texts.append(base64.b64encode(rest[:whole]))
            rest = rest[whole:]
        texts.append(base64.b64encode(rest))
        return f"data:{kind or _type_of(row, rest)};base64,{b''.join(texts).decode()}"


def _file_parts(item: dict[str, Any], place: str) -> list[tuple[dict[str, Any], str]]:
    """The parts of an item that name a file, each with its place."""
    return [
        (part, f"{place}.{name}[{number}]")
        for name in ("content", "output")
        for number, part in enumerate(item[name] if isinstance(item.get(name), list) else ())
        if isinstance(part, dict) and part.get("type") in _PARTS and part.get("file_id")
    ]


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(text)
    except FAULTS:
        return None
    return found if isinstance(found, dict) else None


def _file_id(name: object) -> UUID | None:
    """Of a file of ours: a UUID, with or without a prefix."""
    try:
        return UUID(str(name).removeprefix("file-").removeprefix("file_"))
    except ValueError:
        return None


def _type_of(row: FileRow, content: bytes) -> str:
    """The media type: what the first bytes say, else what the name says."""
    for start, kind in _IMAGES:
        if content.startswith(start):
            return kind
    if content[8:12] == b"WEBP":
        return "image/webp"
    if content.startswith(b"%PDF-"):
        return "application/pdf"
    return mimetypes.guess_type(row.name)[0] or "application/octet-stream"


def _too_large(param: str, most: int) -> BadRequest:
    return BadRequest(
        f"What this call sends with all that it refers to is too large: at most {max(0, most)} bytes fit here.",
        param=param,
        code="context_length_exceeded",
    )
