"""Services start in order, stop in reverse, and one that ends takes the others with it."""

import asyncio
import contextlib

import pytest

from dwctl.core.services import Service, ServiceFailed, Supervisor, TaskSet, run_within


class Step:
    """A service that writes down what happens to it."""

    def __init__(self, name: str, log: list[str], *, fails: str = "") -> None:
        self.name = name
        self.failing = asyncio.Event()
        self._log = log
        self._fails = fails

    async def start(self) -> None:
        """Note it."""
        self._log.append(f"start {self.name}")
        if self._fails == "start":
            raise OSError(f"{self.name} cannot start")

    async def run(self) -> None:
        """Until told to fail."""
        await self.failing.wait()
        if self._fails == "run":
            raise ValueError(f"{self.name} broke")

    async def stop(self) -> None:
        """Note it."""
        self._log.append(f"stop {self.name}")
        if self._fails == "stop":
            raise ValueError("cannot stop")
        if self._fails == "hang":
            await asyncio.Event().wait()


class Stubborn(Step):
    """One whose loop waits for something else when it is cancelled, as a driver does for its server."""

    async def run(self) -> None:
        """Ends at the second cancellation."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()


async def test_a_loop_that_must_be_cancelled_twice_does_not_cost_it_its_stop() -> None:
    log: list[str] = []
    await run([Stubborn("a", log)])
    assert log == ["start a", "stop a"]


async def test_what_takes_too_long_is_ended_however_stubborn() -> None:
    log: list[str] = []
    with pytest.raises(TimeoutError, match=r"not within 0\.01 s"):
        await run_within(Stubborn("a", log).run(), 0.01, name="stubborn")


async def test_what_ends_in_time_gives_its_result_or_its_error() -> None:
    async def seven() -> int:
        return 7

    async def broken() -> int:
        raise ValueError("broken")

    assert await run_within(seven(), 5.0, name="seven") == 7
    with pytest.raises(ValueError, match="broken"):
        await run_within(broken(), 5.0, name="broken")


async def run(services: list[Service], *, stop: bool = True, within: float = 5.0) -> None:
    stopping, started = asyncio.Event(), asyncio.Event()
    stopper = asyncio.get_running_loop().create_task(set_after(started, stopping))
    try:
        await Supervisor(services, stop_within=within).run(stopping if stop else asyncio.Event(), started)
    finally:
        stopper.cancel()
    assert started.is_set()


async def set_after(first: asyncio.Event, second: asyncio.Event) -> None:
    await first.wait()
    second.set()


async def test_start_in_order_stop_in_reverse() -> None:
    log: list[str] = []
    await run([Step("a", log), Step("b", log), Step("c", log)])
    assert log == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]


async def test_what_started_is_stopped_when_a_later_one_cannot_start() -> None:
    log: list[str] = []
    with pytest.raises(OSError, match="b cannot start"):
        await run([Step("a", log), Step("b", log, fails="start"), Step("c", log)])
    assert log == ["start a", "start b", "stop a"]


async def test_told_to_stop_while_it_starts_it_starts_nothing_more() -> None:
    log: list[str] = []
    stopping, started = asyncio.Event(), asyncio.Event()

    class Impatient(Step):
        async def start(self) -> None:
            await super().start()
            stopping.set()

    await Supervisor([Step("a", log), Impatient("b", log), Step("c", log)]).run(stopping, started)
    assert log == ["start a", "start b", "stop b", "stop a"]
    assert not started.is_set()


@pytest.mark.parametrize("fails", ["run", ""])
async def test_a_loop_that_ends_stops_the_others_and_is_named(fails: str) -> None:
    log: list[str] = []
    ending = Step("b", log, fails=fails)
    ending.failing.set()
    with pytest.raises(ServiceFailed, match="b ended unexpectedly") as caught:
        await run([Step("a", log), ending], stop=False)
    assert log[2:] == ["stop b", "stop a"]
    assert (str(caught.value.__cause__) == "b broke") == (fails == "run")


@pytest.mark.parametrize("fails", ["stop", "hang"])
async def test_one_that_cannot_stop_does_not_keep_the_others(fails: str) -> None:
    log: list[str] = []
    await run([Step("a", log), Step("b", log, fails=fails)], within=0.05)
    assert log[-2:] == ["stop b", "stop a"]


class Slow(Step):
    """A service that says how long its stop may take, and takes longer than others may."""

    def __init__(self, name: str, log: list[str], stop_within: float) -> None:
        super().__init__(name, log)
        self.stop_within = stop_within

    async def stop(self) -> None:
        """As a drain does: wait, here until the limit of the others is over."""
        await super().stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.stop_within / 4):
                await asyncio.Event().wait()
        self._log.append(f"stopped {self.name}")


async def test_one_that_says_so_gets_longer_to_stop() -> None:
    log: list[str] = []
    await run([Step("a", log), Slow("b", log, stop_within=1.0)], within=0.05)
    assert log[-3:] == ["stop b", "stopped b", "stop a"]


async def test_a_set_of_tasks_loses_none(caplog: pytest.LogCaptureFixture) -> None:
    tasks = TaskSet()
    done: list[int] = []

    async def note(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    async def endless() -> None:
        await asyncio.Event().wait()

    async def fail() -> None:
        raise ValueError("broke")

    for number in range(10):
        tasks.spawn(note(number), name=f"note {number}")
    tasks.spawn(fail(), name="the failing one")
    assert await tasks.wait(5)
    assert sorted(done) == list(range(10))
    assert "the failing one failed" in caplog.text
    tasks.spawn(endless(), name="endless")
    assert not await tasks.wait(0.01)
    await tasks.cancel()
    assert len(tasks) == 0
