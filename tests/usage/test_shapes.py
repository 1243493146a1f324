"""The usage of every provider's replies and streams, from recorded shapes, in one form."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from dwctl.usage.meter import of_reply, of_stream
from dwctl.usage.metered import Metered
from tests.fakes.answers import frames

COUNTS = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "audio_seconds",
)
FILES = sorted(Path(__file__).with_name("shapes").glob("*.json"))


class Reply(msgspec.Struct, forbid_unknown_fields=True):
    """What a provider answered, and the counts that it told."""

    name: str
    reply: dict[str, Any]
    told: dict[str, float | None]


class Stream(msgspec.Struct, forbid_unknown_fields=True):
    """The data of a stream's events, and the counts that they told."""

    name: str
    events: list[dict[str, Any]]
    done: bool
    told: dict[str, float | None]


class Provider(msgspec.Struct, forbid_unknown_fields=True):
    """A file of shapes."""

    provider: str
    replies: list[Reply]
    streams: list[Stream]


PROVIDERS = {path.stem: msgspec.json.decode(path.read_bytes(), type=Provider) for path in FILES}
REPLIES = [
    pytest.param(each, id=f"{name}: {each.name}")
    for name, known in PROVIDERS.items()
    for each in known.replies
]
STREAMS = [
    pytest.param(each, id=f"{name}: {each.name}")
    for name, known in PROVIDERS.items()
    for each in known.streams
]


def told(metered: Metered) -> dict[str, float]:
    """The counts that are there."""
    return {name: value for name in COUNTS if (value := getattr(metered, name)) is not None}


def known(counts: dict[str, float | None]) -> dict[str, float]:
    """Those of a file, without the ones that nobody told."""
    return {name: value for name, value in counts.items() if value is not None}


@pytest.mark.parametrize("shape", REPLIES)
def test_a_reply_tells_its_usage(shape: Reply) -> None:
    metered = of_reply(msgspec.json.encode(shape.reply))
    assert told(metered) == known(shape.told)
    assert not metered.estimated


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("shape", STREAMS)
def test_a_stream_tells_its_usage(shape: Stream, line_end: bytes) -> None:
    named = all("type" in event for event in shape.events)
    text = b"".join(frames(shape.events, named=named, done=shape.done, line_end=line_end))
    assert told(of_stream(text)) == known(shape.told)


def test_there_are_shapes_of_a_dozen_providers() -> None:
    assert len(PROVIDERS) > 12
