"""What a client asks of a call that is to be queued, checked before it is accepted. Pure.

A call that is run at once is judged by the model server, whose words the client gets. What is queued would fail only
later, so that what we read and keep ourselves is checked here, under the field's name.
"""

import hashlib

import msgspec

from dwctl.engine.idempotency import fault_of
from dwctl.wire.answers.fields import FAULTS
from dwctl.wire.errors import Problem, Refused
from dwctl.wire.metadata import metadata_of

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
        metadata_of(_decoded(fields["metadata"]))
    fields["model"] = msgspec.Raw(msgspec.json.encode(model))
    said = msgspec.json.encode(dict(sorted(fields.items())))
    digest = hashlib.sha256(b"%b\0%b" % (path.encode(), said)).digest()
    for name in ("service_tier", "background"):
        fields.pop(name, None)
    return Asked(msgspec.json.encode(fields), digest)


def key_of(header: bytes | None) -> str | None:
    """The `Idempotency-Key` of a call; raises `Refused` for one that cannot be one."""
    if header is None:
        return None
    key = header.decode("latin-1").strip()
    fault = fault_of(key)
    if fault is not None:
        raise Refused(Problem(status=400, message=fault))
    return key


def _decoded(given: msgspec.Raw) -> object:
    """A value, or what is no metadata where it cannot be read."""
    try:
        return msgspec.json.decode(given)
    except FAULTS:
        return ()
