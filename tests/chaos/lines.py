"""A model server that counts lines of batches, and remembers when it saw each."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise

from tests.fakes import shapes
from tests.fakes.answers import Answer, json_reply, server_error
from tests.fakes.incoming import Request
from tests.fakes.model import MODEL, ModelServer

PATIENCE = 60.0
GOOD = json_reply(shapes.chat_completion(MODEL, "Hello.", prompt=9, completion=5))
REFUSAL = json_reply(shapes.error("This line is not wanted."), status=400)


class Lines:
    """Answers lines, which are named by their `user`: some are refused for ever, some fail at first."""

    def __init__(self, *, refuses: Callable[[int], bool], fails_first: Callable[[int], bool]) -> None:
        self._refuses = refuses
        self._fails_first = fails_first
        self._listed = ModelServer()
        self._change = threading.Condition()
        self.failed: Counter[str] = Counter()
        """Lines that were told to come again."""
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        """When each line was run to an end; monotonic."""

    def __call__(self, request: Request) -> Answer:
        if request.method != "POST":
            return self._listed(request)
        name: str = request.json()["user"]
        number = int(name.rpartition("/")[2])
        with self._change:
            if self._fails_first(number) and name not in self.failed:
                self.failed[name] += 1
                return server_error()
            self.times[name].append(time.monotonic())
            self._change.notify_all()
        return REFUSAL if self._refuses(number) else GOOD

    @property
    def seen(self) -> int:
        """Lines that have come, each counted once."""
        with self._change:
            return len(self.times.keys() | self.failed.keys())

    @property
    def ended(self) -> int:
        """Lines that were run to an end, each counted once."""
        with self._change:
            return len(self.times)

    def wait_for(self, more: int) -> None:
        """Wait until so many lines more were run to an end for the first time."""
        with self._change:
            wanted = len(self.times) + more
            came = self._change.wait_for(lambda: len(self.times) >= wanted, PATIENCE)
        assert came, f"{len(self.times)} lines of {wanted} came"

    def let_run(self, seconds: float, most: int) -> None:
        """Wait so long, or until so many lines more were run to an end for the first time."""
        with self._change:
            enough = len(self.times) + most
            self._change.wait_for(lambda: len(self.times) >= enough, seconds)

    def again(self) -> list[tuple[float, float]]:
        """Of lines that were run to an end once more: when before, and when."""
        with self._change:
            return [pair for times in self.times.values() for pair in pairwise(times)]
