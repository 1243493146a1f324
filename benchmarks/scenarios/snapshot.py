"""A routing state full of keys and models beside one with one of each."""

from benchmarks.bars import Bar
from benchmarks.contestants.dwctl import Dwctl
from benchmarks.contestants.filling import Filling
from benchmarks.load import Load
from benchmarks.scenarios.json_1k import COLUMNS
from benchmarks.scenarios.load_scenario import LoadScenario

SMALL = Dwctl(name="dwctl-1x1", furnish=Filling(keys=1, models=1))
LARGE = Dwctl(name="dwctl-10000x1000", furnish=Filling(keys=10_000, models=1_000))

SNAPSHOT = LoadScenario(
    name="keys-10000",
    title="plain calls, closed loop: 10,000 keys and 1,000 models, all of them used, and 1 of each",
    # A connection stays with a key for some calls, as those of clients do, and every key has its turn. Shorter stays
    # would compare the reading of a new head with that of one that is known, whatever the number of keys.
    load=Load(seconds=1, stay=100),
    columns=COLUMNS,
    contestants=(SMALL, LARGE),
    bars=(
        Bar(
            what="CPU for a request, 10,000 keys x 1,000 models of 1 x 1",
            figure="cpu_us",
            contestant=LARGE.name,
            of=(SMALL.name,),
            must=1.05,
            aim=1.0,
            unit=" x",
        ),
    ),
)
