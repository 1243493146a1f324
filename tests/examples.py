"""How many examples a property test tries: a part of them each time, all of them beside the long tests.

Both try the same examples each time, so that they tell of the change that they are run for. New ones are looked for in
the soak tests, many more at a time.
"""

from hypothesis import HealthCheck, settings

QUICK = 25
THOROUGH = 100
SEARCH = 2_000
"""Other ones each time."""
MOST = 20_000
"""In a search, for a test that has less in a thorough run: one that reaches the database takes an hour for them."""


def register() -> None:
    """The profiles; `make test-long` asks for the thorough one, `make test-soak` for the search."""
    # A slow machine is no fault of an example: no test holds a time.
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("quick", patient, max_examples=QUICK, derandomize=True)
    settings.register_profile("thorough", patient, max_examples=THOROUGH, derandomize=True)
    settings.register_profile("search", patient, max_examples=SEARCH)
    settings.load_profile("quick")


def examples(count: int) -> int:
    """The profile's part of `count`, which a thorough run tries."""
    part = max(1, count * settings().max_examples // THOROUGH)
    return min(part, max(count, MOST))
