"""Whole turns: a contestant is started, gives its key, is measured and stopped."""

import re
import sys
from pathlib import Path

import pytest
from benchmarks.contestants.contestant import Contestant, Kind, Launch, Place
from benchmarks.contestants.direct import Direct
from benchmarks.load import Door, Load
from benchmarks.programs import Programs
from benchmarks.rounds import Rounds, Settings
from benchmarks.scenarios.load_scenario import LoadScenario
from benchmarks.scenarios.scenario import Column
from benchmarks.summary import summarize

from benchmarks import cores

pytestmark = pytest.mark.long
RELAY = """
import asyncio, sys
listening, upstream = int(sys.argv[1]), int(sys.argv[2])

async def pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()

async def serve(reader, writer):
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    if b"Authorization: Bearer sk-0123456789" not in head:
        writer.write(b"HTTP/1.1 401 Unauthorized\\r\\ncontent-length: 0\\r\\n\\r\\n")
        writer.close()
        return
    behind, ahead = await asyncio.open_connection("127.0.0.1", upstream)
    ahead.write(head)
    async with asyncio.TaskGroup() as group:
        group.create_task(pump(reader, ahead))
        group.create_task(pump(behind, writer))

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", listening)
    print("  API key   sk-0123456789  (shown once)", flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


class Relay:
    """Passes bytes on for whoever has the key that it has printed."""

    name = "relay"
    kind: Kind = "rust"

    def prepare(self, cache: Path) -> None:
        """It lies in this file."""

    def launch(self, place: Place) -> Launch:
        return Launch(
            command=(sys.executable, "-c", RELAY, str(place.port), str(place.upstream_port)),
            door=Door(port=place.port),
            key=re.compile(r"sk-\d+"),
        )


class Failing:
    """Ends at once."""

    name = "failing"
    kind: Kind = "python"

    def prepare(self, cache: Path) -> None:
        """It is a line."""

    def launch(self, place: Place) -> Launch:
        command = (sys.executable, "-c", f"raise SystemExit('no room at {place.port}')")
        return Launch(command=command, door=Door(port=place.port))


@pytest.fixture
def scenarios() -> tuple[LoadScenario, ...]:
    columns = (Column(figure="cpu_us", heading="CPU", compare="ratio"),)
    return (
        LoadScenario(name="plain", title="", load=Load(seconds=1, connections=8), columns=columns),
        LoadScenario(
            name="streams", title="", load=Load(mode="sse", seconds=1, connections=8), columns=columns
        ),
    )


def test_contestants_take_turns_and_every_count_agrees(
    programs: Programs, scenarios: tuple[LoadScenario, ...], tmp_path: Path
) -> None:
    said: list[str] = []
    contestants: tuple[Contestant, ...] = (Direct(), Relay(), Failing())
    settings = Settings(
        programs=programs, cores=cores.choose(), cache=tmp_path, seconds=0.3, warm_up=0.1, say=said.append
    )
    rounds = Rounds(settings, contestants, scenarios)
    rounds.run(2, 0)

    order = [(each.round, each.contestant, each.scenario) for each in rounds.measurements]
    assert order == [
        (number, contestant, scenario)
        for number in (1, 2)
        for contestant in ("direct", "relay")
        for scenario in ("plain", "streams")
    ]
    assert "no room at" in rounds.broken["failing"]
    for scenario in scenarios:
        direct, relay = summarize(scenario, contestants, rounds.measurements)
        assert direct.errors == relay.errors == direct.unexplained == relay.unexplained == 0
        assert "cpu_us" not in direct.medians
        assert relay.medians["cpu_us"] > 0
        assert relay.medians["memory_mb"] > 1
        assert relay.of_rust == {"cpu_us": 1.0}
        assert min(each.medians["requests_per_second"] for each in (direct, relay)) > 0
