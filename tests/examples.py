"""How many examples a property test tries: a part of them each time, all of them beside the long tests.

The quick tests try the same examples each time, so that they tell of the change that they are run for. New ones are
looked for beside the long tests, where a failure says what to mend and stops nobody's unrelated work.
"""

from hypothesis import HealthCheck, settings

QUICK = 25
THOROUGH = 100
SEARCH = 2_000
"""By hand, after a change of what property tests hold: `pytest -m hypothesis --hypothesis-profile=search`."""


def register() -> None:
    """The profiles; `make test-long` asks for the thorough one."""
    # A slow machine is no fault of an example: no test holds a time.
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("quick", patient, max_examples=QUICK, derandomize=True)
    settings.register_profile("thorough", patient, max_examples=THOROUGH)
    settings.register_profile("search", patient, max_examples=SEARCH)
    settings.load_profile("quick")


def examples(count: int) -> int:
    """The profile's part of `count`, which a thorough run tries."""
    return max(1, count * settings().max_examples // THOROUGH)
