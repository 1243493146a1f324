"""What the rounds of a call come to together, as its record. Pure."""

from dwctl.requests.record import Record

_SUMMED = (
    "prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens", "cache_write_tokens", "total_tokens",
    "audio_seconds", "cost",
)  # fmt: skip
_LAST = ("upstream_status", "endpoint_id", "target_model", "response_model", "finish_reason", "tariff_id")
_FIRST = ("first_byte_ms", "overhead_ms")


class Totals:
    """Of one call."""

    __slots__ = ("_records",)

    def __init__(self) -> None:
        self._records: list[Record] = []

    def add(self, record: Record) -> None:
        """A round has ended."""
        self._records.append(record)

    def into(self, record: Record) -> None:
        """Each round's tokens and cost are added: the call is one row with one charge."""
        for name in _SUMMED:
            values = [value for each in self._records if (value := getattr(each, name)) is not None]
            if values:
                setattr(record, name, sum(values[1:], values[0]))
        for names, records in ((_LAST, self._records), (_FIRST, self._records[::-1])):
            for each in records:
                for name in names:
                    if getattr(each, name) is not None:
                        setattr(record, name, getattr(each, name))
        record.estimated = any(each.estimated for each in self._records)
