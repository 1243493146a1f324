"""A claimed request as an errand: as whom it runs, with which headers, for which model. Pure."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from dwctl.engine.worker_settings import BatchDaemonSettings, Escalation
from dwctl.requests.dispatch import Errand, Tap
from dwctl.requests.queue.structs import Claimed, Lane

Headers = tuple[tuple[bytes, bytes], ...]
_NOT_IN_VALUES = frozenset(map(chr, (*range(32), 127)))
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.encode


class Errander:
    """Makes errands, with the settings in it."""

    def __init__(self, settings: BatchDaemonSettings) -> None:
        self._fields = settings.batch_metadata_fields
        self._escalations: Mapping[str, Escalation] = settings.model_escalations
        self._prioritised = settings.inject_deadline_priority

    def of_lane(self, lane: Lane) -> Headers:
        """The headers that all requests of a lane have."""
        if lane.batch_id is None:
            return ()
        found = ((name, _field(lane, name)) for name in self._fields)
        return tuple(
            (b"x-fusillade-batch-" + name.replace("_", "-").lower().encode(), value)
            for name, text in found
            if (value := header_value(text)) is not None
        )

    def escalated(self, lane: Lane, deadline: datetime, now: float) -> str | None:
        """The model that takes the place of the lane's; None when it is not time for that."""
        escalation = self._escalations.get(lane.model)
        if escalation is None or deadline.timestamp() - now >= escalation.escalation_threshold_seconds:
            return None
        return escalation.escalation_model

    def make(
        self,
        lane: Lane,
        claimed: Claimed,
        path: str,
        body: bytes,
        common: Headers,
        now: float,
        tap: Tap | None = None,
    ) -> Errand:
        """One attempt at a claimed request."""
        headers: Headers = (*common, (b"x-fusillade-request-id", str(claimed.id).encode()))
        custom_id = header_value(claimed.custom_id)
        if custom_id is not None:
            headers = (*headers, (b"x-fusillade-custom-id", custom_id))
        if self._prioritised:
            body = with_priority(body, claimed.deadline)
        return Errand(
            id=claimed.id,
            attempt=claimed.attempt,
            path=path,
            body=body,
            # Nobody has an empty digest: the gateway then says that the key is gone.
            run_key=lane.run_key or b"",
            charge_key=lane.charge_key,
            owner_id=lane.owner_id,
            creator_id=lane.creator_id,
            asked=lane.model,
            key_id=lane.key_id,
            window=lane.completion_window,
            origin="batch" if lane.batch_id is not None else "api",
            service_tier=tier_of(lane),
            model=self.escalated(lane, claimed.deadline, now),
            headers=headers,
            tap=tap,
        )


def tier_of(lane: Lane) -> str:
    """The service tier, as the rows of its requests have it."""
    return (
        "flex"
        if lane.tier == "flex" or (lane.tier == "batch" and lane.completion_window == "1h")
        else "default"
    )


def header_value(text: str | None) -> bytes | None:
    """The bytes of a header's value; None for what cannot stand in one, so that the request goes without it."""
    if text is None or not _NOT_IN_VALUES.isdisjoint(text):
        return None
    return text.encode("utf-8", "replace").strip()


def with_priority(body: bytes, deadline: datetime) -> bytes:
    """The body with the deadline as a hint for the scheduler of the model server; what is no object stays as it is."""
    try:
        members = _decode(body)
        nvext = _members(members.get("nvext"))
        hints = _members(nvext.get("agent_hints"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body
    hints["priority"] = msgspec.Raw(b"%d" % -int(deadline.timestamp()))
    nvext["agent_hints"] = msgspec.Raw(_encode(hints))
    members["nvext"] = msgspec.Raw(_encode(nvext))
    return _encode(members)


def _members(value: msgspec.Raw | None) -> dict[str, msgspec.Raw]:
    return {} if value is None or bytes(value) == b"null" else _decode(value)


def _field(lane: Lane, name: str) -> str | None:
    """A column of the batch, else a text of its metadata."""
    value: UUID | datetime | str | None
    match name:
        case "id":
            value = lane.batch_id
        case "endpoint":
            value = lane.endpoint
        case "created_at":
            value = lane.batch_created_at
        case "expires_at":
            value = lane.deadline
        case "completion_window":
            value = lane.completion_window
        case "created_by":
            value = lane.owner_id
        case "request_source":
            value = lane.request_source
        case _:
            found = (lane.metadata or {}).get(name)
            value = found if isinstance(found, str) else None
    return value.isoformat() if isinstance(value, datetime) else None if value is None else str(value)
