"""The few fields of bodies and of events that the gateway reads; every other one is skipped unparsed."""

import msgspec

from dwctl.gateway.peeked import Caps


class ModelValue:
    """Stands for the value of `model`."""


class StreamValue:
    """Stands for the value of `stream`."""


class StreamOptionsValue:
    """Stands for the value of `stream_options`."""


class TierValue:
    """Stands for the value of `service_tier`."""


class BackgroundValue:
    """Stands for the value of `background`."""


class PreviousValue:
    """Stands for the value of `previous_response_id`."""


class ConversationValue:
    """Stands for the value of `conversation`."""


class StoreValue:
    """Stands for the value of `store`."""


class CallFields(Caps, frozen=True, gc=False):
    """Of a call: those that decide, and what limits its output."""

    model: ModelValue | msgspec.UnsetType = msgspec.UNSET
    stream: StreamValue | msgspec.UnsetType = msgspec.UNSET
    stream_options: StreamOptionsValue | msgspec.UnsetType = msgspec.UNSET
    service_tier: TierValue | msgspec.UnsetType = msgspec.UNSET
    background: BackgroundValue | msgspec.UnsetType = msgspec.UNSET
    previous_response_id: PreviousValue | msgspec.UnsetType = msgspec.UNSET
    conversation: ConversationValue | msgspec.UnsetType = msgspec.UNSET
    store: StoreValue | msgspec.UnsetType = msgspec.UNSET


FIELD_NAMES: dict[type, str] = {
    ModelValue: "model",
    StreamValue: "stream",
    StreamOptionsValue: "stream_options",
    TierValue: "service_tier",
    BackgroundValue: "background",
    PreviousValue: "previous_response_id",
    ConversationValue: "conversation",
    StoreValue: "store",
}


class GivenOptions(msgspec.Struct):
    """The options of a stream, as they were written."""

    stream_options: msgspec.Raw = msgspec.Raw(b"null")


class EventFields(msgspec.Struct, gc=False):
    """Of an event of a stream; of any type."""

    type: object = None
    error: object = None
    response: msgspec.Raw = msgspec.Raw(b"")
