"""What a client asks of a call that is to be queued, checked before it is accepted. Pure.

A call that is run at once is judged by the model server, whose words the client gets. What is queued would fail only
later, so that what we read and keep ourselves is checked here, under the field's name.
"""

import hashlib

import msgspec

from dwctl.wire.answers.fields import FAULTS
from dwctl.wire.errors import Problem, Refused

MOST_PAIRS = 16
LONGEST_NAME = 64
LONGEST_VALUE = 512
LONGEST_KEY = 255
Members = dict[str, msgspec.Raw]


class Asked(msgspec.Struct, frozen=True):
    """A call's body, read one level deep."""

    body: bytes
    """As the model server gets it."""
    digest: bytes
    """Of all that the client said, whatever the order of its fields."""


def asked_of(body: bytes, path: str, model: str) -> Asked:
    """The body without what concerns us alone: an upstream that knows these would queue the call itself.

    It names the model that was admitted, which a header may have said. Raises `Refused` for names that cannot be read,
    and for metadata that cannot be kept; other values go on as they came.
    """
    try:
        fields = msgspec.json.decode(body, type=Members)
    except FAULTS as error:
        raise Refused(Problem(status=400, message="The body is not valid JSON.")) from error
    if "metadata" in fields:
        check_metadata(fields["metadata"])
    fields["model"] = msgspec.Raw(msgspec.json.encode(model))
    said = msgspec.json.encode(dict(sorted(fields.items())))
    digest = hashlib.sha256(b"%b\0%b" % (path.encode(), said)).digest()
    for name in ("service_tier", "background"):
        fields.pop(name, None)
    return Asked(msgspec.json.encode(fields), digest)


def check_metadata(given: msgspec.Raw) -> None:
    """At most 16 pairs of short texts; raises `Refused` with the dotted name of what is wrong."""
    try:
        found = msgspec.json.decode(given)
    except FAULTS as error:
        raise Refused(_wrong("metadata", "expected an object of texts", "invalid_type")) from error
    if found is None:
        return
    if not isinstance(found, dict):
        raise Refused(_wrong("metadata", "expected an object of texts", "invalid_type"))
    if len(found) > MOST_PAIRS:
        raise Refused(
            _wrong("metadata", f"expected at most {MOST_PAIRS} pairs, got {len(found)}", "invalid_value")
        )
    for name, value in found.items():
        if not 0 < len(name) <= LONGEST_NAME:
            text = f"expected names of 1 to {LONGEST_NAME} characters, got one of {len(name)}"
            raise Refused(_wrong("metadata", text, "invalid_value"))
        field = f"metadata.{name}"
        if not isinstance(value, str):
            raise Refused(_wrong(field, "expected a string", "invalid_type"))
        if len(value) > LONGEST_VALUE:
            text = f"expected at most {LONGEST_VALUE} characters, got {len(value)}"
            raise Refused(_wrong(field, text, "invalid_value"))


def key_of(header: bytes | None) -> str | None:
    """The `Idempotency-Key` of a call; raises `Refused` for one that cannot be one."""
    if header is None:
        return None
    key = header.decode("latin-1").strip()
    if not 0 < len(key) <= LONGEST_KEY or "\0" in key:
        text = f"Idempotency-Key: expected 1 to {LONGEST_KEY} characters"
        raise Refused(Problem(status=400, message=text))
    return key


def _wrong(field: str, what: str, code: str) -> Problem:
    return Problem(status=400, message=f"Invalid '{field}': {what}.", param=field, code=code)
