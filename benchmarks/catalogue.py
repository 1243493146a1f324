"""Who takes part and in what: a new contestant or scenario is a file of its own and a line here."""

from benchmarks.contestants.contestant import Contestant
from benchmarks.contestants.direct import Direct
from benchmarks.contestants.dwctl import Dwctl
from benchmarks.contestants.litellm import LiteLlm
from benchmarks.contestants.nginx import Nginx
from benchmarks.contestants.sglang_router import SglangRouter
from benchmarks.contestants.vllm_router import VllmRouter
from benchmarks.scenarios import latency
from benchmarks.scenarios.beside import BESIDE_1MB
from benchmarks.scenarios.cancel import CANCEL
from benchmarks.scenarios.json_1k import JSON_1K, JSON_32K
from benchmarks.scenarios.key_effect import KEY_EFFECT
from benchmarks.scenarios.priced import CHARGED
from benchmarks.scenarios.recorded import RECORDED_2K
from benchmarks.scenarios.scenario import Scenario
from benchmarks.scenarios.snapshot import SNAPSHOT
from benchmarks.scenarios.sse import SSE, SSE_PACED
from benchmarks.scenarios.streams import IDLE_5000, STREAMS_5000
from benchmarks.scenarios.workers import WORKERS

CONTESTANTS: tuple[Contestant, ...] = (Direct(), Nginx(), Dwctl())
"""Those of every run."""
OTHERS: tuple[Contestant, ...] = (VllmRouter(), SglangRouter(), LiteLlm(), LiteLlm(bare=True))
"""Those that a full run adds."""

SCENARIOS: tuple[Scenario, ...] = (JSON_1K, SSE, latency.at(100), latency.at(1000))
"""Those of every run."""
LONG: tuple[Scenario, ...] = (
    *(
        SSE_PACED,
        STREAMS_5000,
        IDLE_5000,
        BESIDE_1MB,
        RECORDED_2K,
        SNAPSHOT,
        KEY_EFFECT,
        CANCEL,
        CHARGED,
        WORKERS,
    ),
)
"""Those that a full run adds."""
EXTRAS: tuple[Scenario, ...] = (JSON_32K, latency.at(5000))
"""Those that are asked for by name."""
