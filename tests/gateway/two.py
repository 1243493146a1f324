"""What the tests of pools share: two model servers behind one model."""

from typing import Any

from tests.fakes.model import ModelServer
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import House, target


class Two:
    """Two model servers and their targets, which have credentials and model names of their own."""

    def __init__(self, first: FakeUpstream, second: FakeUpstream) -> None:
        self.first = first
        self.second = second
        self.one = target(first.url, "name-one", ("authorization", "Bearer one"))
        self.two = target(second.url, "name-two", ("x-api-key", "two"))
        first.respond = ModelServer(models=("name-one",), text="one", key="Bearer one")
        second.respond = ModelServer(models=("name-two",), text="two", key="two", key_header="x-api-key")

    def seen(self) -> tuple[int, int]:
        """How many calls each got."""
        return len(self.first.posts), len(self.second.posts)

    def sent(self, count: int) -> bool:
        """Whether they got so many together."""
        return sum(self.seen()) == count


def said(answer: Any) -> str:
    """The text of a chat answer."""
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def metric(house: House, name: str, **labels: str) -> float:
    """A counter's value."""
    return house.metrics.registry.get_sample_value(name, labels) or 0.0
