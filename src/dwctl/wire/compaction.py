"""Compaction items (spec/wire-api §1.10): a conversation summed up, and sealed, for its client to carry.

`encrypted_content` is a mark and the sealed JSON of the account and the summary. It can be opened by this installation,
for a call of the same account; then the item becomes a message of the user that tells the summary. Items without our
mark are a model server's own and go to it as they came. Pure.
"""

import base64
import binascii
from typing import Any

import msgspec

from dwctl.core.seal import Seal, SealError
from dwctl.wire.answers.fields import FAULTS
from dwctl.wire.errors import Problem, Refused

_PREFIX = "dwc1."
MARK = b'"dwc1.'
"""Stands in a body that has such an item; one without it need not be read."""
INTRODUCTION = "This is a summary of the conversation so far. Go on from it.\n\n"
KIND = "compaction"
_PURPOSE = "dwctl compaction"


class _Sealed(msgspec.Struct):
    account: str
    text: str


class _Body(msgspec.Struct):
    input: list[msgspec.Raw] | str | None = None


class Compactions:
    """Makes and opens them."""

    def __init__(self, secret_key: str) -> None:
        self._seal = Seal(secret_key, _PURPOSE)

    def sealed(self, account: str, text: str) -> str:
        """What goes into `encrypted_content`."""
        content = msgspec.json.encode(_Sealed(account, text)).decode()
        return _PREFIX + base64.urlsafe_b64encode(self._seal.seal(content)).decode()

    def text_of(self, content: str, account: str) -> str:
        """The summary; raises `SealError` for what was not sealed here, or not for this account."""
        try:
            sealed = base64.b64decode(content.removeprefix(_PREFIX), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise SealError("it is not in the form that this version seals") from error
        found = msgspec.json.decode(self._seal.open(sealed), type=_Sealed)
        if found.account != account:
            raise SealError("it was sealed for another account")
        return found.text

    def opened_item(self, item: Any, account: str, place: str) -> Any:
        """An item of an input as a model can read it; raises `Refused`, naming the item's `place`."""
        if not isinstance(item, dict) or item.get("type") != KIND:
            return item
        content = item.get("encrypted_content")
        if not isinstance(content, str) or not content.startswith(_PREFIX):
            return item
        try:
            text = self.text_of(content, account)
        except SealError as error:
            raise Refused(_not_ours(f"{place}.encrypted_content")) from error
        return {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": f"{INTRODUCTION}{text}"}],
        }

    def opened(self, body: bytes, account: str) -> bytes:
        """A Responses request with its own compaction items opened; all other items stay byte by byte."""
        try:
            given = msgspec.json.decode(body, type=_Body).input
            fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        except FAULTS:
            # The model server has the words for what is wrong.
            return body
        if not isinstance(given, list):
            return body
        items = [
            msgspec.json.encode(self.opened_item(msgspec.json.decode(item), account, f"input[{index}]"))
            if MARK in bytes(item)
            else bytes(item)
            for index, item in enumerate(given)
        ]
        fields["input"] = msgspec.Raw(b"[%b]" % b",".join(items))
        return msgspec.json.encode(fields)


def _not_ours(field: str) -> Problem:
    text = f"Invalid '{field}': it was not made here for this account, or it was changed."
    return Problem(status=400, message=text, param=field, code="invalid_value")
