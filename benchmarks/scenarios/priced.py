"""Calls that cost something beside calls that are free."""

from benchmarks.bars import Bar
from benchmarks.contestants.dwctl import Dwctl
from benchmarks.contestants.filling import Filling
from benchmarks.load import Load
from benchmarks.scenarios.json_1k import COLUMNS
from benchmarks.scenarios.load_scenario import LoadScenario

FREE = Dwctl(name="dwctl-free", furnish=Filling(keys=1, models=1))
PRICED = Dwctl(name="dwctl-priced", furnish=Filling(keys=1, models=1, priced=True))

CHARGED = LoadScenario(
    name="priced",
    title="plain calls, closed loop: of a model with a price, each reserved, settled and charged, and of a free one",
    load=Load(seconds=1),
    columns=COLUMNS,
    contestants=(FREE, PRICED),
    bars=(
        Bar(
            what="CPU for a request, of a priced model against a free one",
            figure="cpu_us",
            contestant=PRICED.name,
            of=(FREE.name,),
            must=1.1,
            unit=" x",
        ),
    ),
)
