"""Who looks on hears of calls and of first tokens, and of queued requests nothing."""

import pytest

from dwctl.requests.record import Record
from dwctl.routing.snapshot import Model
from tests.engine.test_worker import GOOD
from tests.fakes import shapes
from tests.fakes.answers import Answer, frames, json_reply, stream_reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import House, chat, model, pool, target

STREAM = stream_reply(frames(shapes.chat_chunks("fake-model", ["Hel", "lo."])), gap=0.01)


class Heard:
    """What was told, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.ids: set[str] = set()

    def began(self, record: Record) -> None:
        """Implements `Onlooker`, as the rest."""
        self.ids.add(record.id)
        self.told.append("began")

    def first(self, record: Record) -> None:
        self.ids.add(record.id)
        self.told.append("first")

    def refused(self, ident: str, status: int) -> None:
        self.ids.add(ident)
        self.told.append(f"refused {status}")

    def ended(self, record: Record) -> None:
        self.ids.add(record.id)
        self.told.append(f"ended {record.upstream_status}")


def refusal(status: int) -> Answer:
    """Of a model server that has too much to do."""
    return json_reply({"error": {"message": "later"}}, status=status)


@pytest.mark.parametrize(
    ("answers", "stream", "pooled", "told"),
    [
        ([STREAM], True, False, ["began", "first", "ended 200"]),
        ([STREAM], True, True, ["began", "first", "ended 200"]),
        ([GOOD], False, False, ["began", "ended 200"]),
        ([GOOD], False, True, ["began", "ended 200"]),
        ([refusal(429)], True, False, ["began", "ended 429"]),
        ([refusal(429), STREAM], True, True, ["began", "refused 429", "first", "ended 200"]),
    ],
)
async def test_it_hears_of_each_step(
    upstream: FakeUpstream, answers: list[Answer], stream: bool, pooled: bool, told: list[str]
) -> None:
    upstream.push(*answers)
    one: Model = model("m", target(upstream.url))
    several: Model = pool("m", target(upstream.url), target(upstream.url), on_status=(429,))
    heard = Heard()
    async with House(several if pooled else one) as house:
        house.gateway.onlooker = heard
        await house.call(chat(stream=stream))
        await house.recorded()
        # Of an answer that is no stream, it is chance whether it comes in pieces.
        assert [each for each in heard.told if stream or each != "first"] == told
        assert len(heard.ids) == 1
        house.gateway.onlooker = None
        before = len(heard.told)
        upstream.push(GOOD)
        await house.call(chat())
        assert len(heard.told) == before
